// Package hm gives version 2's names to the parts of Dang 1 that the engine uses: the module registry
// serves no version 2.
package hm

import v1 "github.com/vito/dang/pkg/hm"

type (
	FunctionType = v1.FunctionType
	NonNullType  = v1.NonNullType
	Type         = v1.Type
)
