package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// judged is a test that is looked at.
type judged struct {
	testing.TB
	failed string
}

func (j *judged) Errorf(format string, args ...any) { j.failed = fmt.Sprintf(format, args...) }

func TestCompare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	tests := []struct {
		name, file, got string
		update          bool
		want            string // of the message
		then            string // stands in the file
	}{
		{"no file", "", "a\n", false, "open " + path + ": no such file or directory; make update writes it", ""},
		{"no file, update", "", "a\n", true, "", "a\n"},
		{"the same", "a\nb\n", "a\nb\n", false, "", "a\nb\n"},
		{"another line", "a\nb\nc\n", "a\nB\nc\n", false, path + " is stale from line 2 on; make update rewrites it\n got \"B\"\nwant \"b\"", "a\nb\nc\n"},
		{"one line less", "a\nb\n", "a\n", false, path + " is stale from line 2 on; make update rewrites it\n got \"\"\nwant \"b\"", "a\nb\n"},
		{"no newline at the end", "a\n", "a", false, path + " is stale from line 1 on; make update rewrites it\n got \"a\"\nwant \"a\"", "a\n"},
		{"another line, update", "a\n", "b\n", true, "", "b\n"},
	}
	defer func(was bool) { *update = was }(*update)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			os.Remove(path)
			if test.file != "" {
				if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			*update = test.update
			j := &judged{TB: t}
			Compare(j, path, []byte(test.got))
			if j.failed != test.want {
				t.Errorf("got message %q, want %q", j.failed, test.want)
			}
			if then, _ := os.ReadFile(path); string(then) != test.then {
				t.Errorf("got file %q, want %q", then, test.then)
			}
		})
	}
}
