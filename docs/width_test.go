package docs

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPagesAreNarrow: every line of a page has at most 120 characters, so that it can be read where it is edited, and a change shows the
// line that changed. Tables and blocks of code have the lines that they must have, and so has a command that is one word of its own.
func TestPagesAreNarrow(t *testing.T) {
	const most = 120
	oneCode := regexp.MustCompile("^ *(?:- )?`[^`]+`[.,:]?$")
	for page, text := range pages(t) {
		fenced := false
		for n, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			if fenced || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "|") || oneCode.MatchString(line) {
				continue
			}
			if got := utf8.RuneCountInString(line); got > most {
				t.Errorf("%s:%d has %d characters, want at most %d, but for tables and code", page, n+1, got, most)
			}
		}
	}
}
