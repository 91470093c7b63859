// Package introspection gives version 2's names to the parts of Dang 1 that the engine uses: the module registry
// serves no version 2.
package introspection

import v1 "github.com/vito/dang/pkg/introspection"

type (
	Response = v1.Response
	Schema   = v1.Schema
	TypeRef  = v1.TypeRef
)

const (
	TypeKindNonNull = v1.TypeKindNonNull
	TypeKindObject  = v1.TypeKindObject
)
