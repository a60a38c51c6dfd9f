package spool

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// handFrame appends the lines and takes them out of the way as a frame whose work nobody does yet.
func handFrame(t *testing.T, l *Log, lines []archive.Line) *handed {
	t.Helper()
	appendAll(t, l, lines)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hand()
}

// TestOneFrameIsClosedBeside: lines are taken while the frame before is being closed, up to the end of their own;
// whoever needs all of it on disk, or more room than that, waits.
func TestOneFrameIsClosedBeside(t *testing.T) {
	lines := linetest.LogText(9000) // three frames
	for name, ask := range map[string]func(*Log) error{
		"flush":      (*Log).Flush,
		"end":        func(l *Log) error { _, err := l.End(); return err },
		"read":       func(l *Log) error { return l.Held(0, func(archive.Line) bool { return true }) },
		"next frame": func(l *Log) error { _, err := l.Append(lines[2000:]...); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := spoolWith(t, t.TempDir(), 0, 0)
				l := logOf(t, s, "c")
				h := handFrame(t, l, lines[:1000])
				appendAll(t, l, lines[1000:2000]) // does not wait
				asked := make(chan error)
				go func() { asked <- ask(l) }()
				synctest.Wait()
				select {
				case err := <-asked:
					t.Fatalf("got an answer before the frame was closed: %v", err)
				default:
				}
				h.work(l)
				if err := <-asked; err != nil {
					t.Fatal(err)
				}
				got, want := heldLines(t, l), lines[:l.Summary().Lines]
				if len(want) < 2000 || !slices.EqualFunc(got, want, equalLine) {
					t.Errorf("holds %d lines, want the first %d as they were appended", len(got), len(want))
				}
			})
		})
	}
}

// TestHandsAreBounded: where as many frames are being closed as there are processors, the next one is closed by whoever
// appends.
func TestHandsAreBounded(t *testing.T) {
	s := spoolWith(t, t.TempDir(), 0, 0)
	l := logOf(t, s, "c")
	for range cap(s.hands) {
		s.hands <- struct{}{}
	}
	lines := linetest.LogText(9000)
	appendAll(t, l, lines)
	if l.handed != nil || len(l.frames) == 0 {
		t.Errorf("handed off: %t, frames in .log: %d; want none handed off and at least one", l.handed != nil, len(l.frames))
	}
	for range cap(s.hands) {
		<-s.hands
	}
	appendAll(t, l, lines)
	if l.handed == nil {
		t.Error("nothing is handed off though there is a hand free")
	}
}

// TestHandedFrameSurvivesFailure: a frame that could not be written is held and counted as memory, and is written by
// the next who asks when what was in the way is gone.
func TestHandedFrameSurvivesFailure(t *testing.T) {
	lines := linetest.LogText(2000)
	for name, fail := range map[string]func(*Spool, *Log) (mend func()){
		"disk": func(_ *Spool, l *Log) func() {
			if err := os.Mkdir(l.path(".log"), 0o700); err != nil {
				t.Fatal(err)
			}
			return func() { os.Remove(l.path(".log")) }
		},
		"no room": func(s *Spool, _ *Log) func() {
			s.Grow(s.cfg.Limit)
			return func() { s.Grow(-s.cfg.Limit) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := spoolWith(t, dir, 0, 0)
			l := logOf(t, s, "c")
			mend := fail(s, l)
			h := handFrame(t, l, lines[:1000])
			h.work(l)
			appendAll(t, l, lines[1000:])
			if err := l.Flush(); err == nil {
				t.Fatal("Flush gave no error")
			} else if full := errors.Is(err, ErrFull); full != (name == "no room") {
				t.Fatalf("Flush gave %v", err)
			}
			if got := heldLines(t, l); !slices.EqualFunc(got, lines, equalLine) {
				t.Errorf("holds %d lines before the mend, want %d", len(got), len(lines))
			}
			if held, _ := s.Held(); held < l.Summary().Bytes {
				t.Errorf("%d bytes are counted in memory, the text has %d", held, l.Summary().Bytes)
			}
			mend()
			if _, err := l.End(); err != nil {
				t.Fatal(err)
			}
			if got := heldLines(t, logOf(t, spoolWith(t, dir, 0, 0), "c")); !slices.EqualFunc(got, lines, equalLine) {
				t.Errorf("recovered %d lines, want %d", len(got), len(lines))
			}
			if held, _ := s.Held(); held != 0 {
				t.Errorf("%d bytes are counted in memory after the end", held)
			}
		})
	}
}

// TestDropWithHandedFrame: a pod that leaves the spool takes the frame along that is being closed, and gives its room
// back.
func TestDropWithHandedFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := spoolWith(t, t.TempDir(), 0, 0)
		l := logOf(t, s, "c")
		h := handFrame(t, l, linetest.LogText(1000))
		dropped := make(chan error)
		go func() { dropped <- s.Drop(l.instance.PodUID) }()
		synctest.Wait()
		h.work(l)
		if err := <-dropped; err != nil {
			t.Fatal(err)
		}
		used, _ := s.Used()
		held, _ := s.Held()
		if used != 0 || held != 0 {
			t.Errorf("an empty spool counts %d bytes on disk and %d in memory", used, held)
		}
	})
}

func equalLine(a, b archive.Line) bool {
	return a.Time == b.Time && a.Partial == b.Partial && bytes.Equal(a.Text, b.Text)
}
