package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSteps(t *testing.T) {
	attempt := filepath.Join(t.TempDir(), "attempt")
	tests := []struct {
		name, args, text string
		lines            int64
		code             exitCode
	}{
		{"lines", "lines -n 2 -size 20", "line 000000001 bcde\nline 000000002 cdef\n", 2, 0},
		{"from", "lines -n 1 -size 17 -from 3", "line 000000003 d\n", 1, 0},
		{"mixed", "lines -n 2 -size 20 -mixed", "line 000000001 bcde\nline 000000002 cde\n", 2, 0},
		{"blocks", "lines -n 2 -size 17 -block 10", "line 000000001 b\nline 000000002 c\n", 2, 0},
		{"bar", "bar -n 2 -size 17", "step 000000001 b\rstep 000000002 c\r", 1, 0},
		{"text without an end", `text a\nb`, "a\nb", 2, 0},
		{"long", "long -bytes 18", "0123456789abcdef01\n", 1, 0},
		{"long without an end", "long -bytes 3 -end=false", "012", 1, 0},
		{"exit", `text a\n then exit 3 then text b`, "a\n", 1, 3},
		{"exit 0 goes on", `exit 0 then text b`, "b", 1, 0},
		{"first attempt", "text 1 then once " + attempt + " 4 then text 2", "1", 1, 4},
		{"second attempt", "text 1 then once " + attempt + " 4 then text 2", "12", 1, 0},
		{"nothing", "sleep 0s", "", 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var text bytes.Buffer
			out := &output{file: &text}
			err := runAll(strings.Fields(test.args), out)
			var code exitCode
			if err != nil && !errors.As(err, &code) {
				t.Fatal(err)
			}
			if got, want := text.String(), test.text; got != want {
				t.Errorf("got text %q, want %q", got, want)
			}
			if got, want := code, test.code; got != want {
				t.Errorf("got exit code %d, want %d", got, want)
			}
			told, err := out.told()
			if err != nil {
				t.Fatal(err)
			}
			var truth struct{ Lines, Bytes int64 }
			if err := json.Unmarshal(told, &truth); err != nil {
				t.Fatal(err)
			}
			if truth.Lines != test.lines || truth.Bytes != int64(len(test.text)) {
				t.Errorf("got %s, want %d lines and %d bytes", told, test.lines, len(test.text))
			}
		})
	}
}

func TestWrongSteps(t *testing.T) {
	for _, args := range []string{"then", "dance", "exit x", "exit 256", "once a", `text "`, "sleep 5", "lines -n x"} {
		if err := runAll(strings.Fields(args), &output{file: &bytes.Buffer{}}); err == nil {
			t.Errorf("%q: got no error, want one", args)
		}
	}
}

func TestTell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := &output{file: &bytes.Buffer{}, truth: path}
	if err := runAll([]string{"text", `abc\n`}, out); err != nil {
		t.Fatal(err)
	}
	if err := out.tell(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"bytes":4,"lines":1,"sha256":"edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb"}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestBlocks: each write but the last fills a block, and nothing stays behind.
func TestBlocks(t *testing.T) {
	writes := &sizes{}
	if err := run(strings.Fields("lines -n 10 -size 17 -block 64"), &output{file: writes}); err != nil {
		t.Fatal(err)
	}
	if got, want := *writes, (sizes{64, 64, 42}); !slices.Equal(got, want) {
		t.Errorf("got writes of %d bytes, want %d", got, want)
	}
}

type sizes []int

func (s *sizes) Write(b []byte) (int, error) {
	*s = append(*s, len(b))
	return len(b), nil
}
