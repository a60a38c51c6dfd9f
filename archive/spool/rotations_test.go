package spool

import (
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// TestRotationsAreKept: rotations are a fact of the log and no gap; they come along with its lines, through frames of
// both kinds, a recovery, the index and the record.
func TestRotationsAreKept(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	l.Rotated() // before any line
	appendAll(t, l, linetest.Numbered(0, 10))
	l.Rotated()
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, linetest.Numbered(10, 20))
	l.Rotated()
	l.Gap(archive.Gap{AfterLine: 20, Reason: archive.GapRotated})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func(*Log) error
	}{
		{"in small frames", func(*Log) error { return nil }},
		{"in a whole frame", func(l *Log) error { return l.closeFrame(l.spool.Reserve) }},
		{"in the index", func(l *Log) error { _, err := l.End(); return err }},
	} {
		s := spoolWith(t, dir, 0, 0)
		l := logOf(t, s, "c")
		if got := l.Summary(); got.Rotations != 3 || len(got.Gaps) != 1 {
			t.Errorf("%s: recovered %d rotations and gaps %+v, want 3 and one", step.name, got.Rotations, got.Gaps)
		}
		if err := step.do(l); err != nil {
			t.Fatal(err)
		}
		if got := l.Summary(); got.Rotations != 3 || len(got.Gaps) != 1 {
			t.Errorf("%s: %d rotations and gaps %+v, want 3 and one", step.name, got.Rotations, got.Gaps)
		}
	}
	sum := logOf(t, spoolWith(t, dir, 0, 0), "c").Summary()
	r := (&archive.Kept{Summary: sum, Key: l.instance.LogKey(), Size: 1}).Record(l.instance)
	if got := r.Summary(); r.Seams != 3 || got.Rotations != 3 {
		t.Errorf("record says %d seams, and gives back %d rotations; want 3", r.Seams, got.Rotations)
	}
}

// TestRotationsMakeNoGap: a log that was rotated is seamed and has no gap, and one that waits for its next line holds
// no frame for it.
func TestRotationsMakeNoGap(t *testing.T) {
	l := logOf(t, spoolWith(t, t.TempDir(), 0, 0), "c")
	appendAll(t, l, linetest.Numbered(0, 10))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.Rotated()
	if l.open != nil {
		t.Error("a frame is held for a rotation alone")
	}
	sum, err := l.End()
	if err != nil {
		t.Fatal(err)
	}
	if v, reason := archive.Judge(&sum); v != archive.Seamed || sum.Rotations != 1 {
		t.Errorf("got verdict %s (%s) with %d rotations, want seamed with 1", v, reason, sum.Rotations)
	}
}
