package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// shelf is a store, a spool and a reader of both.
type shelf struct {
	*replica
	store  *storetest.Memory
	faulty *storetest.Faulty
	reader *archive.Reader
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	memory := storetest.NewMemory(t)
	s := &shelf{store: memory, faulty: &storetest.Faulty{Store: memory}}
	s.replica = newReplica(t, t.TempDir(), s.faulty)
	s.reader = archive.NewReader(archive.ReaderConfig{Store: s.faulty, Codec: newCodec(t), Spool: s.spool, Replica: "replica-0"})
	return s
}

// remote gives a reader that has nothing but the store.
func (s *shelf) remote() *archive.Reader {
	return archive.NewReader(archive.ReaderConfig{Store: s.faulty, Codec: oneCodec})
}

func (s *shelf) journal() *archive.Journal {
	return archive.NewJournal(archive.JournalConfig{Replica: "replica-0"}, s.faulty, s.spool, slog.New(slog.DiscardHandler), func(error) {})
}

// read gives the lines of an answer with texts of their own.
func read(t testing.TB, r *archive.Reader, q archive.Query) (*archive.Answer, []archive.Entry) {
	t.Helper()
	a, err := r.Read(t.Context(), q)
	if err != nil {
		t.Fatalf("Read(%+v): %v", q, err)
	}
	return a, allOf(t, a)
}

func allOf(t testing.TB, a *archive.Answer) []archive.Entry {
	t.Helper()
	var entries []archive.Entry
	for e, err := range a.Entries {
		if err != nil {
			t.Fatalf("Entries: %v", err)
		}
		e.Text = bytes.Clone(e.Text)
		entries = append(entries, e)
	}
	return entries
}

var wholeJob = archive.Target{Namespace: pod.Namespace, Job: pod.Job}

func numbered(n int) []archive.Line {
	lines := make([]archive.Line, n)
	for i := range lines {
		lines[i] = archive.Line{Time: start + int64(i)*1e6, Text: fmt.Appendf(nil, "line %d", i+1)}
	}
	return lines
}

func TestReadWhereverTheLogIs(t *testing.T) {
	s := newShelf(t)
	lines := numbered(50_000)
	check := func(name string, r *archive.Reader, want archive.Source) {
		t.Helper()
		a, entries := read(t, r, archive.Query{Target: wholeJob})
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
	s.append("main", lines[:40_000])
	if _, err := openLog(t, s.spool, instance("main")).Append(lines[40_000:]...); err != nil {
		t.Fatal(err)
	}
	check("live", s.reader, archive.FromLive)
	if err := s.journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("journal", s.remote(), archive.FromJournal)
	if err := s.seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	check("archive", s.reader, archive.FromArchive)
	check("archive, no spool", s.remote(), archive.FromArchive)
}

func TestReadNothing(t *testing.T) {
	s := newShelf(t)
	if _, err := s.reader.Read(t.Context(), archive.Query{Target: wholeJob}); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Read of a pod that nobody knows: %v, want ErrNotFound", err)
	}
	var bad *archive.QueryError
	if _, err := s.reader.Read(context.Background(), archive.Query{}); !errors.As(err, &bad) || bad.Field != "Target" {
		t.Errorf("Read of nothing: %v, want a QueryError of Target", err)
	}
}
