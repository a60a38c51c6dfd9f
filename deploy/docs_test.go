//go:build e2e

package deploy

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/docs"
)

// TestHelmCommandsOfThePages renders what the pages tell readers to install or to upgrade, with the values that they
// give. Flags that only a cluster has a use for go.
func TestHelmCommandsOfThePages(t *testing.T) {
	n := 0
	for _, program := range []string{"helm install", "helm upgrade"} {
		commands, err := docs.Commands("..", program)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			if !slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, "deploy/chart") }) {
				continue // a name in a sentence
			}
			n++
			args := []string{"template"}
			for _, a := range c.Args {
				switch {
				case a == "--reset-then-reuse-values":
					args = append(args, "--set", "archive=s3://bucket/logs,namespace=jobs") // what is reused
				case strings.HasPrefix(a, "deploy/"):
					args = append(args, filepath.Join("..", a))
				default:
					args = append(args, a)
				}
			}
			if said, err := helm(t, args...); err != nil {
				t.Errorf("%s: %s: %v: %s", c.Page, c.Line, err, said)
			}
		}
	}
	if n < 6 {
		t.Errorf("got %d commands, want the test to find them", n)
	}
}
