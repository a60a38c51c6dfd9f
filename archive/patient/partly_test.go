package patient_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/seal"
)

// otherParts returns other parts of objects than it is asked for, of the right length.
func otherParts(s archive.Store) *oddStore {
	return &oddStore{Store: s, get: func(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
		if r.Offset < 0 {
			r = archive.Range{Length: -r.Offset}
		}
		return s.Get(ctx, key, r)
	}}
}

// TestUnreadableIsNotDamaged: fewer bytes than were asked for say something of the store, and nothing of what is
// stored.
func TestUnreadableIsNotDamaged(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	l := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	l.Write(archivetest.PodNumber(1), "main", archivetest.ManyLines(200, 46))
	l.Flush()
	key := archivetest.JournalKeys(memory)[0]
	short := &oddStore{Store: memory, get: shortOfSuffixes(memory)}
	if _, err := archivetest.NewCodec(t).ReadJournalIndex(t.Context(), short, key); err == nil || errors.Is(err, archive.ErrDamaged) {
		t.Errorf("journal: got %v, want an error that is not of damage", err)
	}
	if err := l.SealPod(t.Context(), archivetest.PodNumber(1)); err != nil {
		t.Fatal(err)
	}
	log := memory.Keys()[slices.IndexFunc(memory.Keys(), func(key archive.Key) bool { return strings.HasSuffix(string(key), ".log.zst") })]
	if _, err := format.ReadIndex(t.Context(), short, log); err == nil || errors.Is(err, archive.ErrDamaged) {
		t.Errorf("log object: got %v, want an error that is not of damage", err)
	}
	partly := patient.NewPartly(short)
	if _, err := seal.New(partly, l.Spool, "r-1", archivetest.QuietLogger(), func(error) {}).Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := format.ReadIndex(t.Context(), partly, log); err != nil {
		t.Errorf("log object, after the probe: got %v, want it read out of the whole", err)
	}
}

// TestWrongPartsTakeNoLines: a store that gives other bytes than it is asked for makes no journal a damaged one: it is
// read as a whole, taken over, and not deleted with its lines.
func TestWrongPartsTakeNoLines(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	dead := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.ManyLines(200, 47)
	dead.Write(archivetest.PodNumber(1), "main", lines)
	dead.Flush()
	before := archivetest.JournalKeys(memory)
	other := archivetest.NewLife(t, "r-2", t.TempDir(), otherParts(memory), 0)
	if err := other.Journal.Collect(t.Context(), archivetest.EveryReplica); err != nil {
		t.Fatal(err)
	}
	if got := archivetest.JournalKeys(memory); len(got) != len(before) {
		t.Fatalf("got objects %q left, want %q: nobody has its lines", got, before)
	}
	other.TakeOver("r-1")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, other.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
}

// TestJournalOfAnotherVersionStays: what this program cannot read means something to another one.
func TestJournalOfAnotherVersionStays(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	dead := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	dead.Write(archivetest.PodNumber(1), "main", archivetest.ManyLines(3, 48))
	dead.Flush()
	key := archivetest.JournalKeys(memory)[0]
	b, _ := memory.Bytes(key)
	b = bytes.Clone(b)
	index := len(b) - int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	b[index+8+4]++ // the version, behind the head of the frame and its name
	archivetest.PutBytes(t, memory, key, b)
	other := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	for range 2 {
		if err := other.Journal.Collect(t.Context(), archivetest.EveryReplica); err != nil {
			t.Fatal(err)
		}
	}
	if got := archivetest.JournalKeys(memory); len(got) != 1 {
		t.Errorf("got objects %q, want the one of another version kept", got)
	}
}
