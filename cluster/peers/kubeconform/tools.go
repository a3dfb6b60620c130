//go:build tools

// Package kubeconform pins a tool that tests and benches compare Orlop with.
package kubeconform

import (
	_ "github.com/yannh/kubeconform/cmd/kubeconform"
)
