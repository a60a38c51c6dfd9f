//go:build lint

package archive_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWalls adds a wrong import to each of some packages of the archive, in a copy of the tree, and asks the linter.
// The copy stands below folders with the names of packages, for a checkout may: a rule that is not tied to the root of
// the tree then holds for every file. `make verify` runs it, with the linter's path in EPILOGUE_LINT.
func TestWalls(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "work", "metrics", "archive")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"archive", "metrics", "mark"} {
		must(os.CopyFS(filepath.Join(tree, part), os.DirFS(filepath.Join("..", part))))
	}
	for _, file := range []string{"go.mod", "go.sum", ".golangci.yml"} {
		text, err := os.ReadFile(filepath.Join("..", file))
		must(err)
		must(os.WriteFile(filepath.Join(tree, file), text, 0o600))
	}
	if out, err := walls(t, tree); err != nil {
		t.Fatalf("as it stands: got %v, want no complaint:\n%s", err, out)
	}
	wrong := map[string]string{
		"archive/zz.go": "mark", "archive/format/zz.go": "mark", "archive/spool/zz.go": "archive/room", "archive/seal/zz.go": "archive/journal",
		"archive/takeover/zz.go": "archive/seal", "archive/sieve/zz.go": "archive/spool", "archive/find/zz.go": "archive/seal",
		"archive/read/zz.go": "archive/journal", "archive/retention/zz.go": "archive/spool", "archive/journal/printer/zz.go": "archive/spool",
	}
	for file, path := range wrong {
		text := "package " + filepath.Base(filepath.Dir(file)) + "\n\nimport _ \"github.com/epilogue-dev/epilogue/" + path + "\"\n"
		must(os.WriteFile(filepath.Join(tree, file), []byte(text), 0o600))
	}
	out, err := walls(t, tree)
	if _, exit := err.(*exec.ExitError); !exit {
		t.Fatalf("got %v, want the linter to find something:\n%s", err, out)
	}
	for file, path := range wrong {
		if want := file + ":3:8: import 'github.com/epilogue-dev/epilogue/" + path + "' is not allowed"; !strings.Contains(string(out), want) {
			t.Errorf("got no %q", want)
		}
	}
	if got := strings.Count(string(out), " is not allowed from list "); got != len(wrong) {
		t.Errorf("got %d complaints, want %d:\n%s", got, len(wrong), out)
	}
}

// walls returns what the linter says of the imports of the archive in tree, and its exit.
func walls(t *testing.T, tree string) ([]byte, error) {
	cmd := exec.CommandContext(t.Context(), os.Getenv("EPILOGUE_LINT"), "run", "--allow-parallel-runners", "--enable-only", "depguard", "--tests=false", "./archive/...")
	cmd.Dir = tree
	return cmd.CombinedOutput()
}
