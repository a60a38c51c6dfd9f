package spool

import (
	"os"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestDraftIsWrittenOnce: a draft that stands in the spool already costs no file, and the journal is not asked to look
// at it again; any other one is written.
func TestDraftIsWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	s := spoolWith(t, dir, 0, 0)
	pod := testInstance("c").PodRef
	save := func(phase string) (written, drafted bool) {
		t.Helper()
		before, _ := os.Stat(s.draftPath(pod.PodUID)) // nil: not there
		if err := s.SaveDraft(&archive.Draft{Manifest: archive.Manifest{Pod: archive.PodSummary{PodRef: pod, Phase: phase}}}); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(s.draftPath(pod.PodUID))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := s.Draft(pod.PodUID); err != nil || m.Pod.Phase != phase {
			t.Fatalf("Draft() = %+v, %v; want phase %s", m, err, phase)
		}
		_, drafted = s.TakeDrafted()[pod.PodUID]
		return before == nil || !os.SameFile(before, after), drafted
	}
	drop := func() {
		if err := s.Drop(pod.PodUID); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name   string
		before func()
		phase  string
		want   bool
	}{
		{"first", func() {}, "Running", true},
		{"same", func() {}, "Running", false},
		{"changed", func() {}, "Failed", true},
		{"changed back", func() {}, "Running", true},
		{"same again", func() {}, "Running", false},
		{"of a pod that was dropped", drop, "Running", true},
		{"same after a restart", func() { s = spoolWith(t, dir, 0, 0); s.TakeDrafted() }, "Running", true},
	} {
		step.before()
		if written, drafted := save(step.phase); written != step.want || drafted != step.want {
			t.Errorf("%s: written %t, for the journal %t; want %t", step.name, written, drafted, step.want)
		}
	}
}

// TestDraftAfterFailedWrite: a draft that could not be written does not count as saved.
func TestDraftAfterFailedWrite(t *testing.T) {
	s := spoolWith(t, t.TempDir(), 0, 0)
	pod := testInstance("c").PodRef
	m := &archive.Draft{Manifest: archive.Manifest{Pod: archive.PodSummary{PodRef: pod, Phase: "Running"}}}
	inTheWay := s.draftPath(pod.PodUID) + ".new"
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDraft(m); err == nil {
		t.Fatal("SaveDraft over a folder gave no error")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDraft(m); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Draft(pod.PodUID); err != nil {
		t.Error(err)
	}
}
