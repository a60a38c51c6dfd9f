package read_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// fuzzShelf has a log sealed in many small frames, and journaled before that.
func fuzzShelf(f *testing.F) (*storetest.Memory, []archive.Line) {
	f.Helper()
	memory := storetest.NewMemory(nil)
	spool := archivetest.OpenSpool(f, f.TempDir(), 1<<30)
	log := archivetest.OpenLog(f, spool, archivetest.Instance("main"))
	quiet := slog.New(slog.DiscardHandler)
	journal := journal.New(journal.Config{Replica: "replica-0"}, memory, spool, quiet, func(error) {})
	lines := randomLog(rand.New(rand.NewPCG(4, 4)))
	for some := range slices.Chunk(lines, 13) {
		_, err := log.Append(some...)
		err = errors.Join(err, log.CloseFrame(), journal.Flush(f.Context()))
		if err != nil {
			f.Fatal(err)
		}
	}
	sealer := seal.New(memory, spool, "replica-0", quiet, func(error) {})
	record, err := sealer.Log(f.Context(), log)
	if err == nil {
		err = sealer.Pod(f.Context(), &archive.Manifest{
			Pod: archive.PodSummary{PodRef: archivetest.Pod, Phase: "Succeeded"}, Instances: []archive.InstanceRecord{record},
		})
	}
	if err != nil {
		f.Fatal(err)
	}
	return memory, lines
}

// FuzzQuery: whatever is asked, the answer is that of the plain lines or says which field is wrong.
func FuzzQuery(f *testing.F) {
	memory, lines := fuzzShelf(f)
	r := read.New(find.Config{Store: memory, Codec: archivetest.OneCodec})
	f.Add("ns", "job", "", "", "error", byte(0), int64(1), int64(9), int64(0), int64(0), int64(3), archivetest.Start, int64(0), 1, 2)
	f.Add("ns", "job", "job-uid", "main", "[0-9]+$", byte(7), int64(0), int64(0), int64(40), int64(90), int64(-1), int64(0), archivetest.Start, 0, 0)
	f.Add("", "../x", "a/b", "none", "(", byte(2), int64(-1), int64(-9), int64(-1), int64(-1), int64(-1), int64(-1), int64(-1), -1, 5000)
	f.Fuzz(func(t *testing.T, namespace, job, uid, container, pattern string, flags byte,
		firstLine, lastLine, fromByte, toByte, tail, since, until int64, before, after int) {
		q := archive.Query{
			Target:    archive.Target{Namespace: namespace, Job: job, JobUID: archive.JobUID(uid)},
			FirstLine: firstLine, LastLine: lastLine, FromByte: fromByte, ToByte: toByte, LimitBytes: toByte / 3,
		}
		if container != "" {
			q.Containers = []string{container}
		}
		if tail != -1 {
			q.Tail = &tail
		}
		if since != 0 {
			q.Since = time.Unix(0, since)
		}
		if until != 0 {
			q.Until = time.Unix(0, until)
		}
		if flags&1 == 0 {
			q.Grep = &archive.Grep{Pattern: pattern, Fixed: flags&2 != 0, Fold: flags&4 != 0, Invert: flags&8 != 0, Before: before, After: after}
		}
		a, err := r.Read(t.Context(), q)
		var wrong *archive.QueryError
		switch {
		case errors.As(err, &wrong):
			if wrong.Field == "" || wrong.Want == "" {
				t.Errorf("%v names no field", err)
			}
			return
		case errors.Is(err, archive.ErrNotFound):
			return
		case err != nil:
			t.Fatal(err)
		}
		if container != "" && container != "main" {
			return
		}
		want := archivetest.CutToLimit(archivetest.Oracle(lines, archivetest.Instance("main"), q), q.LimitBytes)
		if diff := archivetest.Difference(archivetest.EntriesOf(t, a), want); diff != "" {
			t.Errorf("%s: %s", archivetest.QueryText(q), diff)
		}
	})
}

// FuzzStoredBytes: of a log object or journal whose bytes changed, each line is given as it was or told to be damaged,
// and nothing else is given.
func FuzzStoredBytes(f *testing.F) {
	memory, lines := fuzzShelf(f)
	keys := memory.Keys()
	f.Add(uint16(0), uint32(100), []byte{1}, false, false)
	f.Add(uint16(3), uint32(2000), []byte("EPLF"), true, false)
	f.Add(uint16(9), uint32(1), []byte{}, false, true)
	f.Fuzz(func(t *testing.T, which uint16, at uint32, change []byte, insert, cut bool) {
		store := storetest.NewMemory(nil)
		open := which%2 == 0 // without its manifest the pod counts as open, and its journal is read
		broken := keys[int(which/2)%len(keys)]
		for _, key := range keys {
			b, _ := memory.Bytes(key)
			if open && key == archivetest.Pod.ManifestKey() {
				continue
			}
			if key == broken {
				b = damage(b, int(at), change, insert, cut)
			}
			if err := store.Put(t.Context(), key, bytes.NewReader(b), archive.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		r := read.New(find.Config{Store: store, Codec: archivetest.OneCodec})
		a, err := r.Read(t.Context(), archive.Query{Target: archivetest.WholeJob})
		if errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrDamaged) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		testNothingMadeUp(t, a, lines)
	})
}

// damage puts other bytes in the place of some, or between them, or cuts the rest off.
func damage(b []byte, at int, change []byte, insert, cut bool) []byte {
	at %= len(b) + 1
	rest := b[at:]
	switch {
	case cut:
		rest = nil
	case !insert:
		rest = rest[min(len(change), len(rest)):]
	}
	return slices.Concat(b[:at], change, rest)
}

func testNothingMadeUp(t *testing.T, a *archive.Answer, lines []archive.Line) {
	t.Helper()
	known := make([]bool, len(lines))
	for e, err := range a.Entries {
		var d *archive.DamageError
		switch {
		case errors.As(err, &d):
			for n := d.AfterLine; n < min(d.AfterLine+d.Lines, int64(len(lines))); n++ {
				known[n] = true
			}
		case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, archive.ErrDamaged):
			return // the object is shorter than its index says
		case err != nil:
			t.Fatal(err)
		case e.Number > int64(len(lines)) || !bytes.Equal(e.Text, lines[e.Number-1].Text) || e.Time != lines[e.Number-1].Time:
			t.Fatalf("entry %s was never written", archivetest.EntryText(e))
		default:
			known[e.Number-1] = true
		}
	}
	if len(a.Logs) == 1 && a.Logs[0].Lines == int64(len(lines)) {
		if n := slices.Index(known, false); n >= 0 {
			t.Errorf("line %d is neither given nor told to be damaged", n+1)
		}
	}
}
