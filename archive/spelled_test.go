package archive_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSpelledOnce: the program's code spells keys in keys.go alone, and knows magic numbers in archive/format alone.
func TestSpelledOnce(t *testing.T) {
	for _, tt := range []struct {
		what    string
		literal *regexp.Regexp
		where   func(path string) bool
	}{
		{"a key", regexp.MustCompile(`^.(v1/|.*(_index/|_journal/|_message/|_probe/|\.log\.zst|manifest\.json|job\.json))`),
			func(path string) bool { return path == "../archive/keys.go" }},
		{"a magic number", regexp.MustCompile(`(?i)^0x(184D2A5|FD2FB528|8F92EAB1)`),
			func(path string) bool { return filepath.Dir(path) == "../archive/format" }},
	} {
		found := 0
		for path, literals := range literalsOfProgram(t) {
			for _, l := range literals {
				if !tt.literal.MatchString(l) {
					continue
				}
				if found++; !tt.where(path) {
					t.Errorf("%s spells %s: %s", path, tt.what, l)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s is spelled nowhere, want it somewhere", tt.what)
		}
	}
}

// literalsOfProgram returns the literals of the files that make the programs, by path.
func literalsOfProgram(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasSuffix(path, "test") || path == "../e2e" || path == "../integration" || path == "../tools") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok {
				all[path] = append(all[path], l.Value)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
