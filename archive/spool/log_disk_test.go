package spool

import (
	"errors"
	"os"
	"testing"

	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// sickFile cannot be read behind its first bytes.
type sickFile struct {
	*os.File
	healthy int64
}

func (f sickFile) ReadAt(p []byte, at int64) (int, error) {
	if at >= f.healthy {
		return 0, errors.New("input/output error")
	}
	return f.File.ReadAt(p, at)
}

// TestRecoveryOnASickDisk: what cannot be read now may be there the next time, so nothing is cut.
func TestRecoveryOnASickDisk(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	for n := range 2 {
		appendAll(t, l, linetest.Numbered(10*n, 10*n+10))
		if err := l.closeFrame(l.spool.Reserve); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.OpenFile(l.path(".log"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	first := l.frames[0].HeadSize + l.frames[0].DataSize
	if err := newLog(l.spool, l.instance).scan(sickFile{file, first}); err == nil {
		t.Error("got no error, want the disk's")
	}
	linetest.WantLines(t, heldLines(t, logOf(t, spoolWith(t, dir, 0, 0), "c")), linetest.Numbered(0, 20))
}

// TestFailedWriteLeavesNothing: what a write that failed left behind the counted bytes is not in the log object, which
// ends with its index.
func TestFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	appendAll(t, l, linetest.Numbered(0, 10))
	if err := l.closeFrame(l.spool.Reserve); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(l.path(".log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(make([]byte, 100_000))
	if err = format.Closing(file, err); err != nil {
		t.Fatal(err)
	}
	if _, err := l.End(); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, l.spool)
	if again := logOf(t, spoolWith(t, dir, 0, 0), "c"); !again.Ended() || again.Summary().Lines != 10 {
		t.Errorf("recovered %d lines, ended is %t, want 10 and the end", again.Summary().Lines, again.Ended())
	}
}

// TestTailStaysUntilItsLinesAreInAFrame: lines that were flushed are on disk at every moment of the way from .tail to
// .log.
func TestTailStaysUntilItsLinesAreInAFrame(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	appendAll(t, l, linetest.Numbered(0, 10))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	noRoom := errors.New("no room")
	if err := l.closeFrame(func(int64) error { return noRoom }); !errors.Is(err, noRoom) {
		t.Fatalf("closeFrame: %v, want that there is no room", err)
	}
	linetest.WantLines(t, heldLines(t, logOf(t, spoolWith(t, dir, 0, 0), "c")), linetest.Numbered(0, 10))
	if err := l.closeFrame(l.spool.Reserve); err != nil {
		t.Fatal(err)
	}
	linetest.WantLines(t, heldLines(t, logOf(t, spoolWith(t, dir, 0, 0), "c")), linetest.Numbered(0, 10))
}

// TestFrameInTheWrongPlaceIsCut: a frame whose lines do not go on from the one before is not counted with them.
func TestFrameInTheWrongPlaceIsCut(t *testing.T) {
	dir := t.TempDir()
	l := logOf(t, spoolWith(t, dir, 0, 0), "c")
	for n := range 3 {
		appendAll(t, l, linetest.Numbered(10*n, 10*n+10))
		if err := l.closeFrame(l.spool.Reserve); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(l.path(".log"))
	if err != nil {
		t.Fatal(err)
	}
	b = append(b[:l.frames[1].Offset], b[l.frames[2].Offset:]...)
	if err := os.WriteFile(l.path(".log"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	linetest.WantLines(t, heldLines(t, logOf(t, spoolWith(t, dir, 0, 0), "c")), linetest.Numbered(0, 10))
}
