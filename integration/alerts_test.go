//go:build integration

package integration

import (
	"os"
	"os/exec"
	"testing"
)

// TestAlerts has promtool read the chart's alerts, and play what makes each of them fire and what must not.
func TestAlerts(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "../deploy/chart/epilogue/files/alerts.yaml"},
		{"test", "rules", "../deploy/alerts.test.yaml", "../deploy/alerts.days.test.yaml"},
	} {
		if out, err := exec.CommandContext(t.Context(), program(t, "EPILOGUE_TEST_PROMTOOL"), args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// program returns the path of a program that make builds.
func program(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is empty, want the path of the program; make integration sets it", variable)
	}
	return path
}
