//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// runnable is a block of a page that is typed as it stands there, in the root of the repository.
var runnable = regexp.MustCompile("(?s)<!-- run: e2e -->\n```bash\n(.*?)\n```\n")

// TestReadme types what the README tells a newcomer to type: the chart is installed, a Job's log outlives it, and all
// goes again. While the release stands it types what the pages tell its operator to.
func TestReadme(t *testing.T) {
	t.Parallel()
	typed := readmeWithPages(t)
	tools, err := stage.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	client, err := tools.Client()
	if err != nil {
		t.Fatal(err)
	}
	const namespace = "epilogue-try"
	remove := func() {
		if err := stage.Remove(context.Background(), client, namespace); err != nil {
			t.Error(err)
		}
	}
	remove() // what a run left that was killed
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	if err := stage.AwaitRemoved(ctx, client, namespace); err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir()
	for name, path := range map[string]string{"kubectl": tools.Kubectl, "helm": tools.Helm} {
		if err := os.Symlink(path, filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", typed)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "SCRATCH="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		defer remove()
		t.Fatalf("got %v of\n%s", err, out)
	}
	for _, want := range []string{
		`job.batch "hello" deleted`, "line 000000001 ", "line 000000005 ", "complete", `release "epilogue" uninstalled`, `namespace "epilogue-try-jobs" deleted`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got\n%s\nwant %q in it", out, want)
		}
	}
	checkTyped(t, string(out))
}

// readmeWithPages returns README's block with the commands of the pages in it: before and after the release is
// uninstalled.
func readmeWithPages(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := runnable.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 1 {
		t.Fatalf("got %d blocks that are to be run, want 1", len(blocks))
	}
	parts := regexp.MustCompile(`(?ms)(.*)^(helm uninstall [^\n]*\n)(.*)`).FindStringSubmatch(blocks[0][1])
	if parts == nil {
		t.Fatalf("got %s, want helm uninstall in it", blocks[0][1])
	}
	return parts[1] + beforePages + script(t, false) + parts[2] + script(t, true) + parts[3]
}
