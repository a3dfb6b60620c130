//go:build tools

// Package etcd pins the commands that the single-host cluster is built from.
package etcd

import (
	_ "go.etcd.io/etcd/server/v3"
)
