package read_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/read"
)

func TestReadWhereverTheLogIs(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines := archivetest.LinesTimedByNumber(50_000)
	check := func(name string, r *read.Reader, want archive.Source) {
		t.Helper()
		a, entries := archivetest.ReadWhole(t, r, archive.Query{Target: archivetest.WholeJob})
		if a.Source != want || len(a.Logs) != 1 || a.Logs[0].Lines != int64(len(lines)) {
			t.Errorf("%s: source %q, logs %+v, want %q and %d lines", name, a.Source, a.Logs, want, len(lines))
		}
		offset := int64(0)
		if len(entries) != len(lines) {
			t.Fatalf("%s: %d lines, want %d", name, len(entries), len(lines))
		}
		for i, e := range entries {
			if e.Number != int64(i+1) || e.Offset != offset || !bytes.Equal(e.Text, lines[i].Text) || e.Time != lines[i].Time {
				t.Fatalf("%s: entry %d is %+v at %d, want %q at %d", name, i, e, e.Offset, lines[i].Text, offset)
			}
			offset += int64(len(e.Text)) + 1
		}
	}
	s.Append("main", lines[:40_000])
	if _, err := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main")).Append(lines[40_000:]...); err != nil {
		t.Fatal(err)
	}
	check("live", s.Reader, archive.FromLive)
	if err := s.Journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("journal", s.Remote(), archive.FromJournal)
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	check("archive", s.Reader, archive.FromArchive)
	check("archive, no spool", s.Remote(), archive.FromArchive)
}

func TestReadNothing(t *testing.T) {
	s := archivetest.NewShelf(t)
	if _, err := s.Reader.Read(t.Context(), archive.Query{Target: archivetest.WholeJob}); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Read of a pod that nobody knows: %v, want ErrNotFound", err)
	}
	var bad *archive.QueryError
	if _, err := s.Reader.Read(context.Background(), archive.Query{}); !errors.As(err, &bad) || bad.Field != "Target" {
		t.Errorf("Read of nothing: %v, want a QueryError of Target", err)
	}
}
