package docs

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPagesAreNarrow: every line of a page has at most 120 characters, so that it can be read where it is edited, and a
// change shows the line that changed. Tables and blocks of code have the lines that they must have, and so has a
// command that is one word of its own.
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

// TestCommentsAreNarrow: the same of the lines with comments, where a tab is four columns. A directive stands where it
// must.
func TestCommentsAreNarrow(t *testing.T) {
	const most = 120
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		lines := strings.Split(string(text), "\n")
		for _, group := range file.Comments {
			for _, comment := range group.List {
				n := set.Position(comment.Pos()).Line
				width := utf8.RuneCountInString(strings.ReplaceAll(lines[n-1], "\t", "    "))
				if width > most && !strings.HasPrefix(comment.Text, "//nolint") && !strings.HasPrefix(comment.Text, "//go:") {
					t.Errorf("%s:%d has %d columns, want at most %d", path, n, width, most)
				}
			}
		}
		return nil
	})
	if err != nil || files < 300 {
		t.Errorf("read %d files: %v", files, err)
	}
}
