// Package stamp tells what a program was built from. It reads what the compiler wrote into it, so that nothing has to
// be passed to a build for it, and two builds of one commit are the same.
package stamp

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// About tells of the running program what its version does not, in one line: the commit, the time of the commit in RFC
// 3339, what compiled it, and for what system, such as
//
//	(commit 8bf2b02c6d1f, 2026-11-24T09:13:23Z, go1.26.8, linux/amd64)
//
// A program that was built outside of a repository has no commit and no time, and leaves them out.
func About() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return about(build)
}

// commitDigits of a commit are enough to find it.
const commitDigits = 12

func about(build *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	var parts []string
	if commit := settings["vcs.revision"]; commit != "" {
		commit = "commit " + commit[:min(len(commit), commitDigits)]
		if settings["vcs.modified"] == "true" {
			commit += " and changes"
		}
		parts = append(parts, commit)
	}
	if date := settings["vcs.time"]; date != "" {
		parts = append(parts, date)
	}
	parts = append(parts, build.GoVersion, runtime.GOOS+"/"+runtime.GOARCH)
	return "(" + strings.Join(parts, ", ") + ")"
}
