//go:build integration

package integration

import (
	"fmt"
	"os"
	"testing"

	"github.com/epilogue-dev/epilogue/integration/controlplane"
)

// plane is the API server that all tests share. A test that breaks it starts one of its own.
var plane *controlplane.ControlPlane

func TestMain(m *testing.M) {
	if os.Getenv(envKubeconfig) != "" {
		fmt.Fprintln(os.Stderr, serveAsDaemon())
		os.Exit(1)
	}
	code := controlplane.Run(m, func(cp *controlplane.ControlPlane) { plane = cp })
	if builtIn != "" {
		os.RemoveAll(builtIn)
	}
	os.Exit(code)
}
