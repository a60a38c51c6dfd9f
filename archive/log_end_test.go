package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// TestRecordCutShort is a death while the record of a sealed log takes the place of its .tail: the log counts as one that
// has ended and has no record, and the whole of its room is given back later.
func TestRecordCutShort(t *testing.T) {
	for name, flushed := range map[string]bool{"with a tail": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := logOf(t, spoolWith(t, dir, 0, 0), "c")
			appendAll(t, l, numbered(0, 10))
			if flushed {
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			sum, err := l.End()
			if err != nil {
				t.Fatal(err)
			}
			r := (&kept{Summary: sum, key: l.instance.LogKey(), size: 1}).record(l.instance)
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
				wantLines(t, heldLines(t, again), numbered(0, 10))
				if size < len(record) {
					continue
				}
				if err := again.writeRecord(&r); err != nil {
					t.Fatal(err)
				}
				if got, ok, err := again.Record(); !ok || err != nil || got.Log.SHA256 != sum.SHA256 {
					t.Errorf("Record() = %+v, %t, %v", got, ok, err)
				}
				if err := again.drop(); err != nil {
					t.Fatal(err)
				}
				if used, _ := s.Used(); used != 0 {
					t.Errorf("%d bytes are counted after the drop", used)
				}
			}
		})
	}
}

// TestEndThatFailsLeavesTheLogOpen: where the index cannot be written lines are still taken, and what .tail held before is
// in .log once.
func TestEndThatFailsLeavesTheLogOpen(t *testing.T) {
	dir := t.TempDir()
	s := spoolWith(t, dir, 0, 0)
	l := logOf(t, s, "c")
	appendAll(t, l, numbered(0, 10))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.path(".log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := l.End(); err == nil {
		t.Fatal("End without .log gave no error")
	}
	appendAll(t, l, numbered(10, 20))
	if err := errors.Join(os.Remove(l.path(".log")), l.Flush()); err != nil {
		t.Fatal(err)
	}
	wantLines(t, heldLines(t, l), numbered(0, 20))
	if _, err := l.End(); err != nil {
		t.Fatal(err)
	}
	again := spoolWith(t, dir, 0, 0)
	wantUsed(t, again)
	wantLines(t, heldLines(t, logOf(t, again, "c")), numbered(0, 20))
}
