package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/golden"
)

// rotated adds a Job whose log is in three files.
func (s *shelf) rotated() {
	s.t.Helper()
	pod := ref("rotated", "rotated-eeeee")
	l, err := s.spool.Log(archive.Instance{PodRef: pod, Container: "main", Kind: archive.KindMain, ContainerID: "containerd://rotated"})
	if err != nil {
		s.t.Fatal(err)
	}
	for n, text := range []string{"one", "two", "three"} {
		if n > 0 {
			l.Rotated()
		}
		if _, err := l.Append(archive.Line{Time: s.before(5 - n).UnixNano(), Text: []byte(text)}); err != nil {
			s.t.Fatal(err)
		}
	}
	r, err := s.sealer.Log(s.t.Context(), l)
	if err != nil {
		s.t.Fatal(err)
	}
	job := archive.JobSummary{
		Name: pod.Job, UID: pod.JobUID, CreatedAt: s.before(5), StartedAt: s.before(5), FinishedAt: s.before(2), Succeeded: 1,
		Conditions: []archive.Condition{{Type: "Complete", Status: "True"}},
	}
	s.seal(&archive.Manifest{
		Job: &job, Diagnosis: "succeeded", Instances: []archive.InstanceRecord{ended(r, 0, "Completed", s.before(5), s.before(2))},
		Pod: archive.PodSummary{PodRef: pod, Phase: "Succeeded", CreatedAt: s.before(5), StartedAt: s.before(5)},
	})
	s.finish(&archive.JobDocument{Job: job}, pod)
}

// TestSeamsAreShown: each command that shows a verdict says how many seams are unproven, and none fails for them.
// Through the daemon it is the same.
func TestSeamsAreShown(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf) {
		s.rotated()
		d := s.daemon()
		defer d.Close()
		var got, remote strings.Builder
		for _, args := range []string{"list --verdict seamed", "get rotated", "describe rotated", "logs rotated", "logs rotated -f"} {
			play := func(out *strings.Builder, c *screen, more ...string) {
				code := c.does(t.Context(), append(strings.Split(args, " "), more...)...)
				fmt.Fprintf(out, "$ kubectl epilogue %s\n%s\n# standard error:\n%s\n# exit code: %d\n\n", args, c.out, c.errOut, code)
			}
			play(&got, s.screen())
			play(&remote, newScreen(), d.flags()...)
		}
		golden.Compare(t, filepath.Join("testdata", "seams.txt"), []byte(got.String()))
		if remote.String() != got.String() {
			t.Errorf("through the daemon: got\n%s\nwant\n%s", &remote, &got)
		}
	})
}
