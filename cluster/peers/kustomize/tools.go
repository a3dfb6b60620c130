//go:build tools

// Package kustomize pins a tool that tests and benches compare Orlop with.
package kustomize

import (
	_ "sigs.k8s.io/kustomize/kustomize/v5"
)
