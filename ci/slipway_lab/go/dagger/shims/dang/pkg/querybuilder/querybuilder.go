// Package querybuilder gives version 2's names to the parts of Dang 1 that the engine uses: the module registry
// serves no version 2.
package querybuilder

import v1 "github.com/vito/dang/pkg/querybuilder"

var Query = v1.Query
