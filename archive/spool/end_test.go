package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// TestRecordCutShort is a death while the record of a sealed log takes the place of its .tail: the log counts as one
// that has ended and has no record, and the whole of its room is given back later.
func TestRecordCutShort(t *testing.T) {
	for name, flushed := range map[string]bool{"with a tail": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := logOf(t, spoolWith(t, dir, 0, 0), "c")
			appendAll(t, l, linetest.Numbered(0, 10))
			if flushed {
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			sum, err := l.End()
			if err != nil {
				t.Fatal(err)
			}
			r := (&archive.Kept{Summary: sum, Key: l.instance.LogKey(), Size: 1}).Record(l.instance)
			record, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			stale, err := os.ReadFile(l.path(".tail"))
			if err != nil && flushed {
				t.Fatal(err)
			}
			for _, size := range []int{0, 1, len(record) / 2, len(record)} {
				torn := append(bytes.Clone(record[:size]), stale[min(size, len(stale)):]...)
				if err := os.WriteFile(l.path(".tail"), torn, 0o600); err != nil {
					t.Fatal(err)
				}
				s := spoolWith(t, dir, 0, 0)
				wantUsed(t, s)
				again := logOf(t, s, "c")
				if _, ok, err := again.Record(); ok || err != nil {
					t.Errorf("%d bytes: there is a record, %v", size, err)
				}
				if got, err := again.End(); err != nil || got.SHA256 != sum.SHA256 {
					t.Errorf("%d bytes: End() = %+v, %v; want %+v", size, got, err, sum)
				}
				linetest.WantLines(t, heldLines(t, again), linetest.Numbered(0, 10))
				if size < len(record) {
					continue
				}
				if err := again.WriteRecord(&r); err != nil {
					t.Fatal(err)
				}
				if got, ok, err := again.Record(); !ok || err != nil || got.Log.SHA256 != sum.SHA256 {
					t.Errorf("Record() = %+v, %t, %v", got, ok, err)
				}
				if err := again.Drop(); err != nil {
					t.Fatal(err)
				}
				if used, _ := s.Used(); used != 0 {
					t.Errorf("%d bytes are counted after the drop", used)
				}
			}
		})
	}
}

// TestEndThatFailsLeavesTheLogOpen: where the index cannot be written lines are still taken, and what .tail held before
// is in .log once.
func TestEndThatFailsLeavesTheLogOpen(t *testing.T) {
	dir := t.TempDir()
	s := spoolWith(t, dir, 0, 0)
	l := logOf(t, s, "c")
	appendAll(t, l, linetest.Numbered(0, 10))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.path(".log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := l.End(); err == nil {
		t.Fatal("End without .log gave no error")
	}
	appendAll(t, l, linetest.Numbered(10, 20))
	if err := errors.Join(os.Remove(l.path(".log")), l.Flush()); err != nil {
		t.Fatal(err)
	}
	linetest.WantLines(t, heldLines(t, l), linetest.Numbered(0, 20))
	if _, err := l.End(); err != nil {
		t.Fatal(err)
	}
	again := spoolWith(t, dir, 0, 0)
	wantUsed(t, again)
	linetest.WantLines(t, heldLines(t, logOf(t, again, "c")), linetest.Numbered(0, 20))
}

// TestIndexThatIsNotOfThisFile: only an index that tells of these very frames of this very log ends it. Else its end is
// proven again.
func TestIndexThatIsNotOfThisFile(t *testing.T) {
	dir := t.TempDir()
	s := spoolWith(t, dir, 0, 0)
	files := map[string][]byte{}
	sizes := map[string]int64{} // of the first frame
	for _, name := range []string{"c", "d"} {
		l := logOf(t, s, name)
		for n := range 2 {
			appendAll(t, l, linetest.Numbered(10*n, 10*n+10))
			if err := l.closeFrame(l.spool.Reserve); err != nil {
				t.Fatal(err)
			}
		}
		sizes[name] = l.frames[0].HeadSize + l.frames[0].DataSize
		whole := l.size
		if _, err := l.End(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(l.path(".log"))
		if err != nil {
			t.Fatal(err)
		}
		files[name], files[name+" without its second frame"] = b, append(bytes.Clone(b[:sizes[name]]), b[whole:]...)
	}
	// The same log of another life, of as many bytes: its index fits but for the checksums.
	other := logOf(t, spoolWith(t, t.TempDir(), 0, 0), "c")
	for n := range 2 {
		lines := linetest.Numbered(10*n, 10*n+10)
		for i := range lines {
			lines[i].Text = bytes.Replace(lines[i].Text, []byte("line"), []byte("lime"), 1)
		}
		appendAll(t, other, lines)
		if err := other.closeFrame(other.spool.Reserve); err != nil {
			t.Fatal(err)
		}
	}
	end := other.size
	if _, err := other.End(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(other.path(".log"))
	if err != nil || len(b) != len(files["c"]) {
		t.Fatalf("the other life's object has %d bytes (%v), must have %d", len(b), err, len(files["c"]))
	}
	files["c with the index of another life"] = append(bytes.Clone(files["c"][:end]), b[end:]...)
	for name, want := range map[string]struct {
		ended bool
		lines int64
	}{
		"c": {true, 20}, "d": {false, 20}, "c without its second frame": {false, 10}, "c with the index of another life": {false, 20},
	} {
		if err := os.WriteFile(logOf(t, s, "c").path(".log"), files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		l := logOf(t, spoolWith(t, dir, 0, 0), "c")
		if got := l.Summary(); l.Ended() != want.ended || got.Lines != want.lines {
			t.Errorf("%s: ended is %t with %d lines, want %t with %d", name, l.Ended(), got.Lines, want.ended, want.lines)
		}
	}
}
