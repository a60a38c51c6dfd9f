//go:build integration

// Package integration is the fault suite: it runs the daemon's parts against a real API server, a fake node that plays
// faults, and a store that can break, and compares what is in the archive with what the containers wrote.
//
// It promises that a test passes only where every line is in the archive exactly once and in order, and where lines may
// be missing only inside gaps that the manifest lists. A crash is played by taking the spool's folder away from the
// daemon at one instant: what it held in memory, and what it writes later, is gone.
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
	os.Exit(controlplane.Run(m, func(cp *controlplane.ControlPlane) { plane = cp }))
}
