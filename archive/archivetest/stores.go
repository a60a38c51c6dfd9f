package archivetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// NewJournalStore returns a store in memory that lets a removed journal object be asked for: a takeover may meet one
// that another replica has just removed.
func NewJournalStore(t *testing.T) *storetest.Memory {
	m := storetest.NewMemory(t)
	m.MayReadDeleted = isJournal // a takeover may meet an object that another replica has just removed
	return m
}

func isJournal(key archive.Key) bool { return strings.HasPrefix(string(key), "v1/_journal/") }

// JournalKeys returns the keys of all journal objects in a store, in order.
func JournalKeys(m *storetest.Memory) (keys []archive.Key) {
	for _, key := range m.Keys() {
		if isJournal(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// KeysWith returns the keys in a store that contain part, in order.
func KeysWith(m *storetest.Memory, part string) (keys []archive.Key) {
	for _, key := range m.Keys() {
		if strings.Contains(string(key), part) {
			keys = append(keys, key)
		}
	}
	return keys
}

// PutBytes puts an object.
func PutBytes(t *testing.T, store archive.Store, key archive.Key, b []byte) {
	t.Helper()
	if err := store.Put(t.Context(), key, bytes.NewReader(b), archive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// CopyDamaged copies a store and changes one object.
func CopyDamaged(t *testing.T, memory *storetest.Memory, key archive.Key, change func([]byte)) *storetest.Memory {
	t.Helper()
	copied := storetest.NewMemory(t)
	for _, k := range memory.Keys() {
		b, _ := memory.Bytes(k)
		if k == key {
			change(b)
		}
		if err := copied.Put(t.Context(), k, bytes.NewReader(b), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// SlowStore is a store that takes Delay to answer, and counts the requests.
type SlowStore struct {
	archive.Store
	Delay       time.Duration
	Gets, Lists atomic.Int64
}

func (f *SlowStore) wait(ctx context.Context) error {
	time.Sleep(f.Delay) // and no timer's channel, on which Go 1.26.8 under the race detector has crashed in a bubble
	return ctx.Err()
}

// Get counts the request, waits, and asks the store.
func (f *SlowStore) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	f.Gets.Add(1)
	if err := f.wait(ctx); err != nil {
		return nil, archive.Object{}, err
	}
	return f.Store.Get(ctx, key, r)
}

// List counts the request when it is called, and waits when it is ranged over.
func (f *SlowStore) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	f.Lists.Add(1)
	return func(yield func(archive.Object, error) bool) {
		if err := f.wait(ctx); err != nil {
			yield(archive.Object{}, err)
			return
		}
		f.Store.List(ctx, prefix, after)(yield)
	}
}

// SealedShelf has a log of about so many bytes of a training job's text sealed in a store in memory.
func SealedShelf(b *testing.B, bytes int) *storetest.Memory {
	b.Helper()
	memory := storetest.NewMemory(nil)
	spool := OpenSpool(b, b.TempDir(), 1<<40)
	log := OpenLog(b, spool, Instance("main"))
	r := rand.New(rand.NewPCG(1, 1))
	batch := make([]archive.Line, 1000)
	for written, n := 0, 0; written < bytes; {
		for i := range batch {
			n++
			batch[i] = archive.Line{Time: Start + int64(n)*137_000, Text: fmt.Appendf(batch[i].Text[:0],
				"2026-11-23 21:00:%02d,%03d INFO epoch %d step %d loss=%.6f grad_norm=%.4f host=worker-%d", n/1000%60, n%1000,
				n/100_000, n, 1/r.Float64(), r.Float64(), n%7)}
			written += len(batch[i].Text) + 1
		}
		if _, err := log.Append(batch...); err != nil {
			b.Fatal(err)
		}
	}
	SealOnlyLog(b, memory, spool)
	return memory
}

// SealOnlyLog seals the one log of a spool, and its pod.
func SealOnlyLog(b *testing.B, store archive.Store, spool *spool.Spool) {
	b.Helper()
	sealer := seal.New(store, spool, "replica-0", slog.New(slog.DiscardHandler), func(error) {})
	record, err := sealer.Log(b.Context(), OpenLog(b, spool, Instance("main")))
	if err != nil {
		b.Fatal(err)
	}
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: Pod, Phase: "Succeeded"}, Instances: []archive.InstanceRecord{record}}
	if err := sealer.Pod(b.Context(), m); err != nil {
		b.Fatal(err)
	}
}
