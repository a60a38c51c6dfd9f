package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tests returns the names of all tests of the tree.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestNamedTestsExist: a page that names a test as its proof names one that is there. A name with a star stands for all
// that begin so.
func TestNamedTestsExist(t *testing.T) {
	all, n := tests(t), 0
	for page, text := range pages(t) {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)(\\*?)`").FindAllStringSubmatch(text, -1) {
			n++
			there := all[m[1]]
			for name := range all {
				there = there || m[2] == "*" && strings.HasPrefix(name, m[1])
			}
			if !there {
				t.Errorf("%s: got the test %s%s, and no such test", page, m[1], m[2])
			}
		}
	}
	if n < 50 {
		t.Errorf("got %d names of tests, want the test to find them", n)
	}
}

// TestWritersHaveTests: each kind of input of docs/security.md names the test that sends it.
func TestWritersHaveTests(t *testing.T) {
	text := pages(t)["docs/security.md"]
	_, table, begun := strings.Cut(text, "<!-- writers -->")
	table, _, ended := strings.Cut(table, "<!-- /writers -->")
	if !begun || !ended {
		t.Fatal("got no table of writers")
	}
	rows := strings.Split(strings.TrimSpace(table), "\n")[2:]
	for _, row := range rows {
		cells := strings.Split(strings.Trim(row, "|"), "|")
		if len(cells) != 4 || !strings.Contains(cells[3], "`Test") && !strings.Contains(cells[3], "`Fuzz") {
			t.Errorf("got the row %s, want a test in its last cell", row)
		}
	}
	for _, kind := range []string{
		"names", "labels", "annotations", "ownerReferences", "Events", "Leases", "text of logs", "queries", "tokens", "heads",
	} {
		if !strings.Contains(table, "| "+kind) {
			t.Errorf("got no row for %s", kind)
		}
	}
}
