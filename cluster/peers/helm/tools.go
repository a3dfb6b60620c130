//go:build tools

// Package helm pins a tool that tests and benches compare Orlop with.
package helm

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
