package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// life is one life of a replica that keeps a journal.
type life struct {
	*replica
	dir     string
	journal *archive.Taker
	failed  atomic.Int64
}

func newLife(t *testing.T, name, dir string, store archive.Store, maxObject int64) *life {
	l := &life{replica: newReplica(t, dir, store), dir: dir}
	l.journal = archive.NewTaker(archive.NewJournal(archive.JournalConfig{Replica: name, MaxObject: maxObject, Grace: time.Minute}, store, l.spool,
		quiet(), func(error) { l.failed.Add(1) }))
	return l
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func journalMemory(t *testing.T) *storetest.Memory {
	m := storetest.NewMemory(t)
	m.MayReadDeleted = isJournal // a takeover may meet an object that another replica has just removed
	return m
}

func isJournal(key archive.Key) bool { return strings.HasPrefix(string(key), "v1/_journal/") }

func podNumber(n int) archive.PodRef {
	p := pod
	p.Pod, p.PodUID = fmt.Sprint("pod-", n), archive.PodUID(fmt.Sprint("uid-", n))
	return p
}

func (l *life) write(p archive.PodRef, container string, lines []archive.Line) *archive.Log {
	l.t.Helper()
	log := openLog(l.t, l.spool, logOfPod(p, container))
	if _, err := log.Append(lines...); err != nil {
		l.t.Fatal(err)
	}
	return log
}

func logOfPod(p archive.PodRef, container string) archive.Instance {
	i := instance(container)
	i.PodRef = p
	return i
}

func (l *life) draft(p archive.PodRef, phase string) {
	l.t.Helper()
	if err := l.spool.SaveDraft(&archive.Draft{Manifest: archive.Manifest{Version: "v1", Pod: archive.PodSummary{PodRef: p, Phase: phase}}}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) flush() {
	l.t.Helper()
	if err := l.journal.Flush(l.t.Context()); err != nil {
		l.t.Fatalf("Flush: %v", err)
	}
}

func all(archive.PodRef) bool { return true }
func everyone(string) bool    { return true }
func nobody(string) bool      { return false }
func (l *life) logPath(p archive.PodRef, container, ext string) string {
	return filepath.Join(l.dir, string(p.PodUID), container+".0"+ext)
}

func still(archive.PodRef) {}

// takeOver is what a replica does that joins.
func (l *life) takeOver(replicas ...string) []archive.PodUID {
	l.t.Helper()
	pods, err := l.journal.TakeOver(l.t.Context(), replicas, all, still)
	if err != nil {
		l.t.Fatalf("TakeOver: %v", err)
	}
	if err := l.spool.Trust(); err != nil {
		l.t.Fatal(err)
	}
	return pods
}

// sealPod seals every log of a pod in the spool, and the pod.
func (l *life) sealPod(ctx context.Context, p archive.PodRef) error {
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: p, Phase: "Succeeded"}}
	for _, log := range l.spool.Logs(p.PodUID) {
		r, err := l.sealer.Log(ctx, log)
		if err != nil {
			return err
		}
		m.Instances = append(m.Instances, r)
	}
	return l.sealer.Pod(ctx, m)
}

func journalKeys(m *storetest.Memory) (keys []archive.Key) {
	for _, key := range m.Keys() {
		if isJournal(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestTakeOverFromTheStoreAlone(t *testing.T) {
	memory := journalMemory(t)
	store := &storetest.Faulty{Store: memory}
	first := newLife(t, "r-1", t.TempDir(), store, 0)
	big, small := manyLines(20_000, 1), manyLines(100, 2)
	for n := range 4 { // in pieces, so that frames are small at first and whole later
		first.write(podNumber(1), "main", big[n*5000:(n+1)*5000])
		first.write(podNumber(2), "main", small[n*25:(n+1)*25])
		first.draft(podNumber(1), fmt.Sprint("phase-", n))
		first.flush()
	}
	first.write(podNumber(3), "main", nil)
	first.write(podNumber(4), "main", small).Gap(archive.Gap{AfterLine: 100, Reason: archive.GapRotated})
	if _, err := first.write(podNumber(5), "main", small).End(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.sealer.Log(t.Context(), first.write(podNumber(6), "main", small)); err != nil {
		t.Fatal(err)
	}
	puts := store.Count(storetest.OpPut).Requests
	first.flush()
	first.flush() // nothing new: nothing is put
	if got := store.Count(storetest.OpPut).Requests - puts; got != 1 {
		t.Errorf("%d puts for the last flush, want 1", got)
	}

	second := newLife(t, "r-2", t.TempDir(), store, 0)
	pods, err := second.journal.TakeOver(t.Context(), []string{"r-1"}, func(p archive.PodRef) bool { return p.PodUID != "uid-2" }, still)
	if err != nil || len(pods) != 5 {
		t.Fatalf("TakeOver() = %v, %v; want 5 pods", pods, err)
	}
	main := openLog(t, second.spool, logOfPod(podNumber(1), "main"))
	sameLines(t, held(t, main), big)
	want, _ := os.ReadFile(first.logPath(podNumber(1), "main", ".log"))
	if got, _ := os.ReadFile(second.logPath(podNumber(1), "main", ".log")); !bytes.Equal(got, want) || len(want) == 0 {
		t.Errorf("the whole frames are not those that the first replica wrote: %d bytes, want %d", len(got), len(want))
	}
	if d, err := second.spool.Draft("uid-1"); err != nil || d.Pod.Phase != "phase-3" {
		t.Errorf("Draft() = %+v, %v; want the newest", d, err)
	}
	if got := len(second.spool.Logs("uid-2")); got != 0 {
		t.Errorf("%d logs of a pod that is not ours", got)
	}
	if sum := openLog(t, second.spool, logOfPod(podNumber(4), "main")).Summary(); sum.Lines != 100 || len(sum.Gaps) != 1 {
		t.Errorf("got %d lines with gaps %v, want 100 with one", sum.Lines, sum.Gaps)
	}
	if len(second.spool.Logs("uid-3")) != 1 || openLog(t, second.spool, logOfPod(podNumber(3), "main")).Summary().Lines != 0 {
		t.Error("a log without lines was not taken over")
	}
	if !openLog(t, second.spool, logOfPod(podNumber(5), "main")).Ended() {
		t.Error("a log that was read to its end is open again")
	}
	if r, ok, err := openLog(t, second.spool, logOfPod(podNumber(6), "main")).Record(); !ok || err != nil || r.Log == nil {
		t.Errorf("Record() = %+v, %t, %v; want that of the dead replica", r, ok, err)
	}
	if again := second.takeOver("r-1"); len(again) != 6 {
		t.Errorf("second TakeOver gave %v, want all 6", again)
	}
	second.sealAll(6)
	second.collectToNothing(memory)
	if used, _ := second.spool.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
}

func (l *life) sealAll(pods int) {
	l.t.Helper()
	for n := 1; n <= pods; n++ {
		if err := l.sealPod(l.t.Context(), podNumber(n)); err != nil && !errors.Is(err, archive.ErrSealed) {
			l.t.Fatalf("seal pod %d: %v", n, err)
		}
	}
}

func (l *life) collectToNothing(memory *storetest.Memory) {
	l.t.Helper()
	if err := l.journal.Collect(l.t.Context(), everyone); err != nil {
		l.t.Fatalf("Collect: %v", err)
	}
	if keys := journalKeys(memory); len(keys) != 0 {
		l.t.Errorf("garbage is left: %v", keys)
	}
}

func TestJournalSplitsAtMaxObject(t *testing.T) {
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 100<<10)
	lines := manyLines(40_000, 3)
	for n := 1; n <= 3; n++ {
		first.write(podNumber(n), "main", lines)
	}
	first.flush()
	keys := journalKeys(memory)
	if len(keys) < 4 {
		t.Errorf("%d objects, want several", len(keys))
	}
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	second.takeOver("r-1")
	for n := 1; n <= 3; n++ {
		sameLines(t, held(t, openLog(t, second.spool, logOfPod(podNumber(n), "main"))), lines)
	}
	if used, _ := first.spool.Used(); used == 0 {
		t.Error("the spool counts nothing")
	}
}

// TestJournalIsWrittenOnce: of a long log that is slow the objects go whose lines stand in whole frames.
func TestCollectOfSupersededObjects(t *testing.T) {
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	lines := manyLines(20_000, 4)
	for n := range 200 {
		first.write(podNumber(1), "main", lines[n*100:(n+1)*100])
		first.flush()
	}
	if err := first.journal.Collect(t.Context(), nobody); err != nil {
		t.Fatal(err)
	}
	if got := len(journalKeys(memory)); got == 0 || got > 60 {
		t.Errorf("%d objects are left, want those with whole frames and the newest small ones", got)
	}
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	second.takeOver("r-1")
	sameLines(t, held(t, openLog(t, second.spool, logOfPod(podNumber(1), "main"))), lines)
}

func TestJournalRun(t *testing.T) {
	warmCodec(t)
	synctest.Test(t, func(t *testing.T) {
		memory := journalMemory(t)
		store := &storetest.Faulty{Store: memory}
		first := newLife(t, "r-1", t.TempDir(), store, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- first.journal.Run(ctx) }()
		lines := manyLines(1000, 5)
		first.write(podNumber(1), "main", lines[:500])
		time.Sleep(3 * time.Second)
		if got := first.journal.Lag(); got != 3*time.Second {
			t.Errorf("Lag() = %s, want 3s", got)
		}
		time.Sleep(3 * time.Second)
		if got := first.journal.Lag(); got != 0 || len(journalKeys(memory)) != 1 {
			t.Errorf("Lag() = %s with %d objects, want 0 and 1", got, len(journalKeys(memory)))
		}
		// The store is away for ten minutes: whoever appends is not held up, and the lag says so.
		store.Break(storetest.Fault{Op: storetest.OpPut, Times: -1})
		first.write(podNumber(1), "main", lines[500:600])
		time.Sleep(10 * time.Minute)
		if got := first.journal.Lag(); got != 10*time.Minute {
			t.Errorf("Lag() = %s, want 10m", got)
		}
		first.write(podNumber(1), "main", lines[600:900])
		store.Mend()
		time.Sleep(time.Minute)
		if got := first.journal.Lag(); got != 0 {
			t.Errorf("Lag() = %s after the outage, want 0", got)
		}
		first.write(podNumber(1), "main", lines[900:])
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		second := newLife(t, "r-2", t.TempDir(), store, 0)
		second.takeOver("r-1")
		sameLines(t, held(t, openLog(t, second.spool, logOfPod(podNumber(1), "main"))), lines)
	})
}
