//go:build tools

// Package tools names the programs, so that go.mod and go.sum cover them.
package tools

import (
	_ "github.com/sigstore/fulcio"
	_ "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server"
)
