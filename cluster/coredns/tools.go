//go:build tools

// Package coredns pins the commands that the single-host cluster is built from.
package coredns

import (
	_ "github.com/coredns/coredns"
)
