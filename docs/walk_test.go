package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWalk: the newcomer's walk of CONTRIBUTING.md asks ten questions, and the file that answers each is there.
func TestWalk(t *testing.T) {
	_, table, begun := strings.Cut(pages(t)["CONTRIBUTING.md"], "<!-- walk -->")
	table, _, ended := strings.Cut(table, "<!-- /walk -->")
	if !begun || !ended {
		t.Fatal("got no walk")
	}
	steps := regexp.MustCompile("(?m)^\\| (.+\\?) \\| `([^`]+\\.go)` \\|$").FindAllStringSubmatch(table, -1)
	if got, want := len(steps), 10; got != want {
		t.Errorf("got %d questions, want %d", got, want)
	}
	for _, step := range steps {
		if info, err := os.Stat(filepath.Join("..", step[2])); err != nil || info.IsDir() {
			t.Errorf("%s got %s, and no such file", step[1], step[2])
		}
	}
}
