package seal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestOutage has many seals wait for a store that is out of order for half an hour, in every way in which it can be.
// The outage costs few requests, and all seals go on at its end.
func TestOutage(t *testing.T) {
	const seals, outage = 50, 30 * time.Minute
	effects := map[string]storetest.Effect{
		"503":                storetest.NotStored(errors.New("503 SlowDown")),
		"403":                storetest.NotStored(errors.New("403 AccessDenied")),
		"no bucket":          storetest.NotStored(errors.New("404 NoSuchBucket")),
		"connection refused": storetest.NotStored(errors.New("connection refused")),
		"black hole": func(ctx context.Context, c *storetest.Call, through func(context.Context) error) error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			return storetest.BlackHole()(ctx, c, through)
		},
	}
	for name, effect := range effects {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &storetest.Faulty{Store: storetest.NewMemory(t)}
				store.Break(storetest.Fault{Op: storetest.OpPut, Times: -1, Effect: effect})
				r := archivetest.NewReplica(t, t.TempDir(), store)
				var sealed sync.WaitGroup
				for n := range seals {
					name := fmt.Sprintf("c%d", n)
					r.Append(name, archivetest.ManyLines(10, uint64(n)))
					sealed.Go(func() {
						if _, err := r.Sealer.Log(t.Context(), archivetest.OpenLog(t, r.Spool, archivetest.Instance(name))); err != nil {
							t.Errorf("seal %s: %v", name, err)
						}
					})
				}
				time.Sleep(outage / 10)
				before := heapInUse()
				time.Sleep(outage - outage/10)
				if grown := heapInUse() - before; grown > 1<<20 {
					t.Errorf("memory grew by %d bytes during the outage", grown)
				}
				if got := store.Count(storetest.OpPut).Requests; got < 10 || got > 200 {
					t.Errorf("%d requests in an outage of %s", got, outage)
				}
				if r.Sealer.StoreWorks() {
					t.Error("the store counts as working")
				}
				store.Mend()
				mended := time.Now()
				sealed.Wait()
				if took := time.Since(mended); took > time.Minute {
					t.Errorf("the seals took %s after the end of the outage", took)
				}
				if !r.Sealer.StoreWorks() {
					t.Error("the store counts as broken")
				}
			})
		})
	}
}

// unconditional is a store that takes a conditional put and ignores the condition.
type unconditional struct{ archive.Store }

func (u unconditional) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	opts.IfAbsent = false
	return u.Store.Put(ctx, key, body, opts)
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestStoreWithoutConditionalPut(t *testing.T) {
	memory := storetest.NewMemory(t)
	memory.MayReadDeleted = func(k archive.Key) bool { return strings.HasPrefix(string(k), "v1/_probe/") }
	lines := archivetest.ManyLines(100, 11)
	first := archivetest.NewReplica(t, t.TempDir(), unconditional{memory})
	can, err := first.Sealer.Probe(t.Context())
	if err != nil || can.ConditionalPut {
		t.Fatalf("Probe() = %+v, %v; want no conditional put", can, err)
	}
	first.Append("main", lines)
	if err := first.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	second := archivetest.NewReplica(t, t.TempDir(), unconditional{memory})
	if _, err := second.Sealer.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.Append("main", lines[:50])
	if err := second.Seal(t.Context(), "main"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("second seal: %v, want ErrSealed", err)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}

// rangeless is a store that knows no ranges.
type rangeless struct{ archive.Store }

func (u rangeless) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	if r != (archive.Range{}) {
		return nil, archive.Object{}, fmt.Errorf("range: %w", errors.ErrUnsupported)
	}
	return u.Store.Get(ctx, key, r)
}

func TestStoreWithoutRanges(t *testing.T) {
	memory := storetest.NewMemory(t)
	memory.MayReadDeleted = func(k archive.Key) bool { return strings.HasPrefix(string(k), "v1/_probe/") }
	store := rangeless{unconditional{memory}}
	lines := archivetest.ManyLines(30_000, 12)
	for range 2 { // the second finds all of it there
		r := archivetest.NewReplica(t, t.TempDir(), store)
		if can, err := r.Sealer.Probe(t.Context()); err != nil || can.Ranges {
			t.Fatalf("Probe() = %+v, %v; want no ranges", can, err)
		}
		r.Append("main", lines)
		if err := r.Seal(t.Context(), "main"); err != nil && !errors.Is(err, seal.ErrSealed) {
			t.Fatal(err)
		}
		d := &archive.JobDocument{Namespace: archivetest.Pod.Namespace, Job: archive.JobSummary{Name: archivetest.Pod.Job, UID: archivetest.Pod.JobUID}}
		if _, err := r.Sealer.Job(t.Context(), archivetest.Pod, d); err != nil {
			t.Fatal(err)
		}
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
	n, since := 0, lines[29_000].Time
	err := archivetest.StoredLines(t.Context(), archivetest.NewCodec(t), store, archivetest.Instance("main").LogKey(), since, func(l archive.Line) bool { n++; return l.Time >= since })
	if err != nil || n != 1000 {
		t.Errorf("got %d lines since line 29000, %v; want 1000", n, err)
	}
}

// TestJournalWithoutRanges: a store that gives whole objects only is a slow one for a takeover, and not one without
// takeovers.
func TestJournalWithoutRanges(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	store := rangeless{unconditional{memory}}
	lines := archivetest.LongLines(3_000, 31)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
	for n := range 3 {
		first.Write(archivetest.PodNumber(1), "main", lines[n*1000:(n+1)*1000])
		first.Flush()
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 0)
	second.TakeOver("r-1")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
	if err := second.SealPod(t.Context(), archivetest.PodNumber(1)); err != nil {
		t.Fatal(err)
	}
	second.CollectToNothing(memory)
}
