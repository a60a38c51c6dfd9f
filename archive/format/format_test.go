package format

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestFormatPageReads runs the reader that docs/format.md shows: the page holds enough to read a log object.
func TestFormatPageReads(t *testing.T) {
	for _, program := range []string{"python3", "zstd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s here", program)
		}
	}
	page, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```python\n")
	code, _, _ = strings.Cut(code, "```")
	code = strings.Replace(code, "text[start:stop])", "text[start:stop].hex())", 1)

	frames := append([][]archive.Line{nil}, tableFrames()...) // gaps alone come first
	var want bytes.Buffer
	for _, lines := range frames {
		for _, line := range lines {
			at := "-"
			if line.Time != 0 {
				at = fmt.Sprint(line.Time)
			}
			fmt.Fprintf(&want, "%s %x\n", at, line.Text)
		}
	}
	for _, version := range []byte{HeadFirst, DataFirst} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			object, _, _ := objectAs(t, testCodec(t), version, frames...)
			path := filepath.Join(t.TempDir(), "object")
			if err := os.WriteFile(path, object, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := exec.CommandContext(t.Context(), "python3", "-c", code, path).Output()
			if err != nil {
				t.Fatalf("reader of the page: %v", err)
			}
			sameOutput(t, string(got), want.String())
		})
	}
}

func sameOutput(t *testing.T, got, want string) {
	t.Helper()
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(gotLines) != len(wantLines) {
		t.Fatalf("the page's reader gave %d lines, want %d", len(gotLines), len(wantLines))
	}
	for n := range gotLines {
		if gotLines[n] != wantLines[n] {
			t.Fatalf("line %d: got %.80q, want %.80q", n, gotLines[n], wantLines[n])
		}
	}
}
