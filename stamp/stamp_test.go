package stamp

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestAbout(t *testing.T) {
	here := runtime.GOOS + "/" + runtime.GOARCH
	of := func(pairs ...string) (all []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	tests := []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"a commit", of("vcs.revision", "8bf2b02c6d1f0a9b", "vcs.time", "2026-11-24T09:13:23Z", "vcs.modified", "false"),
			"(commit 8bf2b02c6d1f, 2026-11-24T09:13:23Z, go1.26.8, " + here + ")"},
		{"a commit and more", of("vcs.revision", "8bf2b02c6d1f0a9b", "vcs.modified", "true"), "(commit 8bf2b02c6d1f and changes, go1.26.8, " + here + ")"},
		{"no repository", nil, "(go1.26.8, " + here + ")"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := about(&debug.BuildInfo{GoVersion: "go1.26.8", Settings: test.settings}); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAboutThisProgram(t *testing.T) {
	if got, want := About(), runtime.Version(); !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}
