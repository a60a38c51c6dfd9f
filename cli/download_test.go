package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

// outside returns a folder, a directory in it to download into, and a function that lists what else there is.
func outside(t *testing.T) (to string, others func() []string) {
	t.Helper()
	root := t.TempDir()
	to = filepath.Join(root, "a", "b", "c", "to")
	return to, func() (found []string) {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasPrefix(path, to+string(filepath.Separator)) {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
}

// TestDownloadStaysInItsDirectory: names in manifests come from objects that anybody makes.
func TestDownloadStaysInItsDirectory(t *testing.T) {
	good := archive.PodRef{Namespace: "jobs", Job: "nightly", Pod: "nightly-a"}
	for name, ref := range map[string]archive.PodRef{
		"Job above":             {Namespace: "jobs", Job: "../../../elsewhere", Pod: "p"},
		"absolute namespace":    {Namespace: "/tmp", Job: "j", Pod: "p"},
		"pod is the directory":  {Namespace: "jobs", Job: "j", Pod: ".."},
		"Job of several parts":  {Namespace: "jobs", Job: "j/other", Pod: "p"},
		"no namespace":          {Job: "j", Pod: "p"},
		"name that steers":      {Namespace: "jobs", Job: "j\x1b]0;t\x07", Pod: "p"},
		"separator of Windows":  {Namespace: "jobs", Job: `..\..\elsewhere`, Pod: "p"},
		"container of its own":  {Namespace: "jobs", Job: "j", Pod: "with-container"},
		"a newline in the name": {Namespace: "jobs", Job: "j\nk", Pod: "p"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := &archive.Manifest{Pod: archive.PodSummary{PodRef: ref}}
			if ref.Pod == "with-container" {
				bad.Instances = []archive.InstanceRecord{{Instance: archive.Instance{PodRef: ref, Container: "../../x"}, Verdict: archive.Lost}}
			}
			to, others := outside(t)
			c := newScreen()
			d := &downloading{program: c.program, dir: to, progress: &show.Progress{}}
			if err := d.into(t.Context(), []*archive.Manifest{bad, {Pod: archive.PodSummary{PodRef: good}}}); err != errToldDamage {
				t.Errorf("got %v, want that it is told", err)
			}
			if got := others(); len(got) > 0 {
				t.Errorf("got files %v outside of the directory", got)
			}
			if text := c.errOut.String(); !strings.Contains(text, "left out") || strings.ContainsAny(text, "\x1b\x07") {
				t.Errorf("got %q, want to be told which is left out", text)
			}
			if _, err := os.Stat(filepath.Join(to, "jobs", "nightly", "nightly-a", "manifest.json")); err != nil {
				t.Errorf("the other pod's manifest: %v", err)
			}
		})
	}
}

// TestDownloadFollowsNoLinkOut: something in the directory points elsewhere.
func TestDownloadFollowsNoLinkOut(t *testing.T) {
	to, others := outside(t)
	away := filepath.Join(filepath.Dir(to), "away")
	for _, dir := range []string{to, away} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(away, filepath.Join(to, "jobs")); err != nil {
		t.Fatal(err)
	}
	d := &downloading{program: newScreen().program, dir: to, progress: &show.Progress{}}
	err := d.into(t.Context(), []*archive.Manifest{{Pod: archive.PodSummary{PodRef: archive.PodRef{Namespace: "jobs", Job: "j", Pod: "p"}}}})
	if got := others(); err == nil || len(got) > 0 {
		t.Errorf("got %v and files %v outside of the directory, want an error and none", err, got)
	}
}
