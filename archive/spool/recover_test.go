package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// TestRecoveryAtEveryByte tears both files of a small log at every byte, and adds a kind of garbage behind. What is
// recovered is always a beginning of what was appended, on whole frames, and counted to the byte.
func TestRecoveryAtEveryByte(t *testing.T) {
	lines := append(linetest.Numbered(0, 7), linetest.FrameTables["no time later"]...)
	lines = append(lines, linetest.FrameTables["NUL"]...)
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	for n := range lines {
		appendAll(t, l, lines[n:n+1])
		if err := map[bool]func() error{true: func() error { return l.closeFrame(l.spool.Reserve) }, false: l.flush}[n%4 == 3](); err != nil {
			t.Fatal(err)
		}
	}
	for _, ext := range []string{".log", ".tail"} {
		whole, err := os.ReadFile(l.path(ext))
		if err != nil || len(whole) < 100 {
			t.Fatalf("%s has %d bytes, %v", ext, len(whole), err)
		}
		ends := frameEnds(t, whole)
		for size := 0; size <= len(whole); size++ {
			torn := t.TempDir()
			if err := os.CopyFS(torn, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			garbage := []string{"", "\x00", "garbage that is no frame", string(whole[:min(size, 60)])}[size%4]
			b := append(bytes.Clone(whole[:size]), garbage...)
			if err := os.WriteFile(filepath.Join(torn, "uid", "c.0"+ext), b, 0o600); err != nil {
				t.Fatal(err)
			}
			s := spoolWith(t, torn, 0, 0)
			got := logOf(t, s, "c")
			n := int(got.Summary().Lines)
			if want := linesKept(l, ext, int64(size), ends); n != want {
				t.Errorf("recovered %d lines, want %d: those of all whole frames", n, want)
			}
			linetest.WantLines(t, heldLines(t, got), lines[:n])
			wantUsed(t, s)
			appendAll(t, got, lines[n:])
			linetest.WantLines(t, heldLines(t, got), lines)
			if t.Failed() {
				t.Fatalf("%s torn at %d with %q behind", ext, size, garbage)
			}
		}
	}
}

// frameEnds returns for each frame of a file where it ends and how many lines of the log there are up to there.
func frameEnds(t *testing.T, file []byte) (ends [][2]int64) {
	t.Helper()
	for at := int64(0); at < int64(len(file)); {
		_, h, err := spoolCodec(t).Decode(file[at:])
		if err != nil {
			t.Fatal(err)
		}
		at += h.Size + h.DataSize
		ends = append(ends, [2]int64{at, h.FirstLine + h.Lines})
	}
	return ends
}

// linesKept returns how many lines survive where one file of the log is torn at a size. The lines of .tail go on from a
// whole .log only.
func linesKept(l *Log, ext string, size int64, ends [][2]int64) int {
	lines := int64(0)
	if ext == ".tail" {
		lines = l.lineEnd()
	}
	for _, end := range ends {
		if end[0] <= size {
			lines = end[1]
		}
	}
	if ext == ".log" && size == l.size {
		lines = l.tailEnd
	}
	return int(lines)
}

func TestRecoveredEndGoesStraightOn(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	appendAll(t, l, linetest.Numbered(0, 30_000))
	l.Gap(archive.Gap{AfterLine: 30_000, Reason: archive.GapRotated})
	want, err := l.End()
	if err != nil {
		t.Fatal(err)
	}
	object, err := os.ReadFile(l.path(".log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, format.SeekFooter, 100} {
		if err := os.Truncate(l.path(".log"), int64(len(object)-cut)); err != nil {
			t.Fatal(err)
		}
		s := spoolWith(t, dir, 0, 0)
		again := logOf(t, s, "c")
		if got := again.Ended(); got != (cut == 0) {
			t.Errorf("index cut by %d: ended is %t", cut, got)
		}
		got, err := again.End()
		if err != nil || got.SHA256 != want.SHA256 || got.Lines != want.Lines || got.Bytes != want.Bytes || len(got.Gaps) != 1 {
			t.Errorf("index cut by %d: End() = %+v, %v; want %+v", cut, got, err, want)
		}
		if same, err := os.ReadFile(l.path(".log")); err != nil || !bytes.Equal(same, object) {
			t.Errorf("index cut by %d: the object differs (%v)", cut, err)
		}
		wantUsed(t, s)
		if _, err := again.Append(linetest.Numbered(0, 1)...); err == nil {
			t.Error("a log that has ended takes lines")
		}
	}
}

func TestRecoveredRecordGoesStraightOn(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	appendAll(t, l, linetest.Numbered(0, 10))
	sum, err := l.End()
	if err != nil {
		t.Fatal(err)
	}
	want := (&archive.Kept{Summary: sum, Key: l.instance.LogKey(), Size: 1}).Record(l.instance)
	if err := disk.WriteJSON(l.path(SealedExt), want); err != nil {
		t.Fatal(err)
	}
	for _, frames := range []string{"still there", "gone"} {
		s := spoolWith(t, dir, 0, 0)
		wantUsed(t, s)
		again := logOf(t, s, "c")
		if got, ok, err := again.Record(); err != nil || !ok || got.Log.SHA256 != sum.SHA256 {
			t.Errorf("frames %s: Record() = %+v, %t, %v", frames, got, ok, err)
		}
		if got := again.Summary(); !again.Ended() || got.Lines != sum.Lines || got.First != sum.First || got.Last != sum.Last {
			t.Errorf("frames %s: ended %t with %+v, want %+v", frames, again.Ended(), got, sum)
		}
		if err := again.Held(0, nil); !errors.Is(err, archive.ErrGone) {
			t.Errorf("frames %s: Held: %v, want ErrGone", frames, err)
		}
		if err := again.Drop(); err != nil {
			t.Fatal(err)
		}
		if used, _ := s.Used(); used != 0 {
			t.Errorf("%d bytes are counted after the drop", used)
		}
	}
}

// TestIdentityUnreadable: the files of a log whose identity cannot be read are kept for the one who knows it.
func TestIdentityUnreadable(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	appendAll(t, l, linetest.Numbered(0, 10))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path(".json"), []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := spoolWith(t, dir, 0, 0)
	if got := s.Open(); got != 0 {
		t.Errorf("%d logs open, want 0", got)
	}
	linetest.WantLines(t, heldLines(t, logOf(t, s, "c")), linetest.Numbered(0, 10))
	wantUsed(t, s)
}

func TestDamagedTailBecomesAGap(t *testing.T) {
	for name, use := range map[string]func(*Log) error{
		"end":  func(l *Log) error { _, err := l.End(); return err },
		"read": func(l *Log) error { return l.Held(0, func(archive.Line) bool { return true }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := spoolWith(t, t.TempDir(), 0, 0)
			l := logOf(t, s, "c")
			for n := 0; n < 30; n += 10 {
				appendAll(t, l, linetest.Numbered(n, n+10))
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(l.path(".tail"))
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(l.path(".tail"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			appendAll(t, l, linetest.Numbered(30, 40))
			if err := use(l); err != nil {
				t.Fatal(err)
			}
			sum := l.Summary()
			if sum.Lines != 20 || len(sum.Gaps) != 1 || sum.Gaps[0].AfterLine != 10 || sum.Gaps[0].Reason != archive.GapDamaged {
				t.Errorf("got %+v, want 20 lines with a gap after line 10", sum)
			}
			linetest.WantLines(t, heldLines(t, l), append(linetest.Numbered(0, 10), linetest.Numbered(30, 40)...))
			wantUsed(t, s)
			wantEmptySpool(t, s)
		})
	}
}

// TestTornDocuments leaves half of every document that is written under another name first, and a pod half dropped.
func TestTornDocuments(t *testing.T) {
	dir := t.TempDir()
	s := spoolWith(t, dir, 0, 0)
	l := logOf(t, s, "c")
	appendAll(t, l, linetest.Numbered(0, 10))
	if err := errors.Join(l.Flush(), s.SaveDraft(&archive.Draft{Manifest: archive.Manifest{Pod: archive.PodSummary{PodRef: l.instance.PodRef}, Diagnosis: "whole"}})); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c.0.json.new", "c.0.tail.new", "c.0.sealed.json.new", "pod.json.new", "d.0.json.new"} {
		if err := os.WriteFile(filepath.Join(dir, "uid", name), []byte(`{"half`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "other"+dropped), os.DirFS(filepath.Join(dir, "uid"))); err != nil {
		t.Fatal(err)
	}
	again := spoolWith(t, dir, 0, 0)
	linetest.WantLines(t, heldLines(t, logOf(t, again, "c")), linetest.Numbered(0, 10))
	if d, err := again.Draft("uid"); err != nil || d.Diagnosis != "whole" {
		t.Errorf("Draft() = %+v, %v", d, err)
	}
	if pods, err := again.Pods(); err != nil || len(pods) != 1 || again.Open() != 1 {
		t.Errorf("Pods() = %q, %v with %d logs; want the one pod and its log", pods, err, again.Open())
	}
	wantUsed(t, again)
	wantEmptySpool(t, again)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the spool still holds %v, %v", left, err)
	}
}
