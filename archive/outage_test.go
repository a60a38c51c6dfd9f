package archive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestOutage has many seals wait for a store that is out of order for half an hour, in every way in which it can be. The
// outage costs few requests, and all seals go on at its end.
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
				r := newReplica(t, t.TempDir(), store)
				var sealed sync.WaitGroup
				for n := range seals {
					name := fmt.Sprintf("c%d", n)
					r.append(name, manyLines(10, uint64(n)))
					sealed.Go(func() {
						if _, err := r.sealer.Log(t.Context(), openLog(t, r.spool, instance(name))); err != nil {
							t.Errorf("seal %s: %v", name, err)
						}
					})
				}
				time.Sleep(outage)
				if got := store.Count(storetest.OpPut).Requests; got < 10 || got > 200 {
					t.Errorf("%d requests in an outage of %s", got, outage)
				}
				if r.sealer.StoreWorks() {
					t.Error("the store counts as working")
				}
				store.Mend()
				mended := time.Now()
				sealed.Wait()
				if took := time.Since(mended); took > time.Minute {
					t.Errorf("the seals took %s after the end of the outage", took)
				}
				if !r.sealer.StoreWorks() {
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

func TestStoreWithoutConditionalPut(t *testing.T) {
	memory := storetest.NewMemory(t)
	memory.MayReadDeleted = func(k archive.Key) bool { return strings.HasPrefix(string(k), "v1/_probe/") }
	lines := manyLines(100, 11)
	first := newReplica(t, t.TempDir(), unconditional{memory})
	can, err := first.sealer.Probe(t.Context())
	if err != nil || can.ConditionalPut {
		t.Fatalf("Probe() = %+v, %v; want no conditional put", can, err)
	}
	first.append("main", lines)
	if err := first.seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	second := newReplica(t, t.TempDir(), unconditional{memory})
	if _, err := second.sealer.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.append("main", lines[:50])
	if err := second.seal(t.Context(), "main"); !errors.Is(err, archive.ErrSealed) {
		t.Errorf("second seal: %v, want ErrSealed", err)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}
