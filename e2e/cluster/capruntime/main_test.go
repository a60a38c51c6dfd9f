package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBoundingSet(t *testing.T) {
	held, err := boundingSet("Name:\tx\nCapBnd:\t000001fffeffffff\nCapAmb:\t0\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"CAP_CHOWN": true, "CAP_SYS_RESOURCE": false, "CAP_SYS_TIME": true, "CAP_CHECKPOINT_RESTORE": true} {
		if got := held[name]; got != want {
			t.Errorf("%s held: got %v, want %v", name, got, want)
		}
	}
	if _, err := boundingSet("Name:\tx\n"); err == nil {
		t.Error("a status without CapBnd: got no error")
	}
}

func TestFlagValue(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"apart", []string{"create", "--bundle", "/b", "id"}, "/b"},
		{"joined", []string{"create", "--bundle=/b", "id"}, "/b"},
		{"short", []string{"create", "-b", "/b", "id"}, "/b"},
		{"absent", []string{"state", "id"}, ""},
		{"without value", []string{"create", "--bundle"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := flagValue(tt.args, "--bundle", "-b"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEdit(t *testing.T) {
	held := map[string]bool{"CAP_KILL": true}
	for _, tt := range []struct {
		name, in, want string
		path           []string
	}{
		{"bundle", `{"n":18446744073709551615,"process":{"capabilities":{"bounding":["CAP_KILL","CAP_BPF"]}}}`,
			`{"n":18446744073709551615,"process":{"capabilities":{"bounding":["CAP_KILL"]}}}`, []string{"process"}},
		{"exec", `{"capabilities":{"effective":["CAP_BPF"]}}`, `{"capabilities":{"effective":[]}}`, nil},
		{"no capabilities", `{"process": {}}`, `{"process": {}}`, []string{"process"}},
		{"no process", `{"a": 1}`, `{"a": 1}`, []string{"process"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(file, []byte(tt.in), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := edit(file, held, tt.path...); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
