//go:build tools

// Package tools names the programs, so that go.mod and go.sum cover them.
package tools

import (
	_ "github.com/tsenart/vegeta/v12"
)
