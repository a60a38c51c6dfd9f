package docs

import (
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestVerdictsPage: the page has a row for every verdict and for every reason of a gap.
func TestVerdictsPage(t *testing.T) {
	page := pages(t)["docs/verdicts.md"]
	var names []string
	for _, v := range archive.Verdicts {
		names = append(names, string(v))
	}
	for _, r := range archive.GapReasons {
		names = append(names, string(r))
	}
	for _, name := range names {
		if !strings.Contains(page, "\n| `"+name+"` |") {
			t.Errorf("docs/verdicts.md has no row of %s", name)
		}
	}
}
