// Package ioctx gives version 2's names to the parts of Dang 1 that the engine uses: the module registry
// serves no version 2.
package ioctx

import v1 "github.com/vito/dang/pkg/ioctx"

var (
	StderrToContext = v1.StderrToContext
	StdoutToContext = v1.StdoutToContext
)
