package archivetest

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// Shelf is a store, a spool and a reader of both.
type Shelf struct {
	*Replica
	Store  *storetest.Memory
	Faulty *storetest.Faulty
	Reader *read.Reader
}

func NewShelf(t *testing.T) *Shelf {
	t.Helper()
	memory := storetest.NewMemory(t)
	s := &Shelf{Store: memory, Faulty: &storetest.Faulty{Store: memory}}
	s.Replica = NewReplica(t, t.TempDir(), s.Faulty)
	s.Reader = read.New(find.Config{Store: s.Faulty, Codec: NewCodec(t), Spool: s.Spool, Replica: "replica-0"})
	return s
}

// Remote gives a reader that has nothing but the store.
func (s *Shelf) Remote() *read.Reader {
	return read.New(find.Config{Store: s.Faulty, Codec: OneCodec})
}

func (s *Shelf) Journal() *journal.Journal {
	return journal.New(journal.Config{Replica: "replica-0"}, s.Faulty, s.Spool, slog.New(slog.DiscardHandler), func(error) {})
}

// Read gives the lines of an answer with texts of their own.
func Read(t testing.TB, r *read.Reader, q archive.Query) (*archive.Answer, []archive.Entry) {
	t.Helper()
	a, err := r.Read(t.Context(), q)
	if err != nil {
		t.Fatalf("Read(%+v): %v", q, err)
	}
	return a, AllOf(t, a)
}

func AllOf(t testing.TB, a *archive.Answer) []archive.Entry {
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

var WholeJob = archive.Target{Namespace: Pod.Namespace, Job: Pod.Job}

func Numbered(n int) []archive.Line {
	lines := make([]archive.Line, n)
	for i := range lines {
		lines[i] = archive.Line{Time: Start + int64(i)*1e6, Text: fmt.Appendf(nil, "line %d", i+1)}
	}
	return lines
}
