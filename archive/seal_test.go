package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

const workload = "11111111-2222-3333-4444-555555555555"

// replica is one life of the daemon's part that seals: what start-up does, on the spool that the one before left.
type replica struct {
	t      *testing.T
	spool  *archive.Spool
	sealer *archive.Sealer
	failed atomic.Int64
}

func newReplica(t *testing.T, dir string, store archive.Store) *replica {
	r := &replica{t: t, spool: openSpool(t, dir, 1<<30)}
	r.sealer = archive.NewSealer(store, r.spool, "replica-0", slog.New(slog.DiscardHandler), func(error) { r.failed.Add(1) })
	return r
}

// seal does what the watcher does with an ended pod: every log, then the pod.
func (r *replica) seal(ctx context.Context, containers ...string) error {
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: pod, Phase: "Succeeded"}, Workloads: []string{workload}}
	m.Job = &archive.JobSummary{Name: pod.Job, UID: pod.JobUID, CreatedAt: time.Unix(0, start)}
	for _, name := range containers {
		log, err := r.spool.Log(instance(name))
		if err != nil {
			return err
		}
		record, err := r.sealer.Log(ctx, log)
		if err != nil {
			return err
		}
		m.Instances = append(m.Instances, record)
	}
	return r.sealer.Pod(ctx, m)
}

func (r *replica) append(container string, lines []archive.Line) {
	r.t.Helper()
	if _, err := openLog(r.t, r.spool, instance(container)).Append(lines...); err != nil {
		r.t.Fatal(err)
	}
	if err := openLog(r.t, r.spool, instance(container)).Flush(); err != nil {
		r.t.Fatal(err)
	}
}

// checkArchive reads everything that should be in the store and compares it with what was appended.
func checkArchive(t *testing.T, store *storetest.Memory, want map[string][]archive.Line) {
	t.Helper()
	raw, ok := store.Bytes(pod.ManifestKey())
	if !ok {
		t.Fatal("no manifest in the store")
	}
	m, err := archive.ReadManifest(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("ReadManifest: %v", err)
	}
	if got := len(m.Instances); got != len(want) {
		t.Fatalf("manifest has %d instances, want %d", got, len(want))
	}
	for _, r := range m.Instances {
		checkLog(t, store, &r, want[r.Container])
	}
	for _, key := range []archive.Key{pod.DayIndexKey(time.Unix(0, start)), pod.WorkloadIndexKey(workload)} {
		if _, ok := store.Bytes(key); !ok {
			t.Errorf("index key %s is missing", key)
		}
	}
}

func checkLog(t *testing.T, store *storetest.Memory, r *archive.InstanceRecord, want []archive.Line) {
	t.Helper()
	if len(want) == 0 {
		if r.Verdict != archive.Empty || r.Log != nil {
			t.Errorf("%s: verdict %s with log %v, want empty without", r.Container, r.Verdict, r.Log)
		}
		return
	}
	if r.Verdict != archive.Complete || r.Log == nil {
		t.Fatalf("%s: verdict %s (%s), want complete", r.Container, r.Verdict, r.Reason)
	}
	object, ok := store.Bytes(r.Log.Key)
	if !ok || int64(len(object)) != r.Log.Size {
		t.Fatalf("%s: object of %d bytes (there: %t), manifest says %d", r.Container, len(object), ok, r.Log.Size)
	}
	plain := decompress(t, object)
	sum := sha256.Sum256(plain)
	if string(plain) != text(want) || hex.EncodeToString(sum[:]) != r.Log.SHA256 || int64(len(plain)) != r.Log.Bytes {
		t.Errorf("%s: the object's text is not what was appended", r.Container)
	}
	var lines []archive.Line
	err := newCodec(t).Lines(t.Context(), store, r.Log.Key, 0, func(l archive.Line) bool {
		lines = append(lines, archive.Line{Time: l.Time, Text: bytes.Clone(l.Text), Partial: l.Partial})
		return true
	})
	if err != nil {
		t.Fatalf("Lines: %v", err)
	}
	sameLines(t, lines, want)
}

// decompress reads a log object as any zstd tool does.
func decompress(t *testing.T, object []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	plain, err := d.DecodeAll(object, nil)
	if err != nil {
		t.Fatalf("decompress object: %v", err)
	}
	return plain
}

// writes are the requests of a seal, in their order. Each can fail, or succeed and report failure, and the process can
// die just before and just after it.
var writes = []struct {
	name string
	op   storetest.Op
	key  string
}{
	{"log object", storetest.OpPut, "*/main.0.log.zst"},
	{"second log object", storetest.OpPut, "*/side.0.log.zst"},
	{"manifest", storetest.OpPut, "*/manifest.json"},
	{"manifest read back", storetest.OpGet, "*/manifest.json"},
	{"day index", storetest.OpPut, "v1/_index/day/*"},
	{"workload index", storetest.OpPut, "v1/_index/workload/*"},
}

func TestCrashTable(t *testing.T) {
	want := map[string][]archive.Line{"main": longLines(1_500, 7), "side": manyLines(30, 8), "quiet": nil}
	for _, w := range writes {
		for _, way := range []string{"not stored", "stored but reported failed", "crash before", "crash after"} {
			t.Run(w.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { crashOnce(t, w.op, w.key, way, want) })
			})
		}
	}
}

func crashOnce(t *testing.T, op storetest.Op, key, way string, want map[string][]archive.Line) {
	memory := storetest.NewMemory(t)
	store := &storetest.Faulty{Store: memory}
	life, die := context.WithCancel(t.Context())
	defer die()
	effect := map[string]storetest.Effect{
		"not stored": storetest.NotStored(nil), "stored but reported failed": storetest.Stored(nil),
		"crash before": storetest.Before(die), "crash after": storetest.After(die),
	}[way]
	store.Break(storetest.Fault{Op: op, Key: key, Effect: effect})
	dir := t.TempDir()
	first := newReplica(t, dir, store)
	for name, lines := range want {
		first.append(name, lines)
	}
	err := first.seal(life, "main", "side", "quiet")
	if crashed := life.Err() != nil; crashed != (err != nil) {
		t.Fatalf("seal: %v, crashed: %t", err, crashed)
	}
	store.VerifyAllFired(t)
	if err != nil {
		checkBrokenOff(t, memory)
		second := newReplica(t, dir, store)
		if pods, err := second.spool.Pods(); err != nil || len(pods) != 1 {
			t.Fatalf("the next life finds %v (%v) in the spool, want the pod: nobody else would finish its seal", pods, err)
		}
		err = second.seal(t.Context(), "main", "side", "quiet")
		if err != nil && !errors.Is(err, archive.ErrSealed) {
			t.Fatalf("seal after the crash: %v", err)
		}
	}
	checkArchive(t, memory, want)
	last := newReplica(t, dir, store)
	if pods, err := last.spool.Pods(); err != nil || len(pods) != 0 {
		t.Errorf("the spool still holds %v (%v)", pods, err)
	}
}

// checkBrokenOff says that what a crash left in the store leads nowhere that is not there.
func checkBrokenOff(t *testing.T, store *storetest.Memory) {
	t.Helper()
	raw, sealed := store.Bytes(pod.ManifestKey())
	if !sealed {
		if keys := keysWith(store, "/_index/"); len(keys) > 0 {
			t.Errorf("index keys %q lead to no manifest", keys)
		}
		return
	}
	m, err := archive.ReadManifest(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range m.Instances {
		if r.Log != nil && !slices.Contains(store.Keys(), r.Log.Key) {
			t.Errorf("manifest names %s, which is not there", r.Log.Key)
		}
	}
}

// TestCrashBetweenLocalWrites kills the process between the steps that touch only the disk.
func TestCrashBetweenLocalWrites(t *testing.T) {
	want := map[string][]archive.Line{"main": longLines(1_500, 9)}
	steps := map[string]func(*replica) error{
		"after the last line": func(*replica) error { return nil },
		"after the index":     func(r *replica) error { _, err := openLog(t, r.spool, instance("main")).End(); return err },
		"after the record": func(r *replica) error {
			_, err := r.sealer.Log(t.Context(), openLog(t, r.spool, instance("main")))
			return err
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			memory, dir := storetest.NewMemory(t), t.TempDir()
			first := newReplica(t, dir, memory)
			first.append("main", want["main"])
			if err := step(first); err != nil {
				t.Fatal(err)
			}
			if err := newReplica(t, dir, memory).seal(t.Context(), "main"); err != nil {
				t.Fatalf("seal after the crash: %v", err)
			}
			checkArchive(t, memory, want)
		})
	}
}

func TestFirstManifestStands(t *testing.T) {
	memory := storetest.NewMemory(t)
	lines := manyLines(100, 10)
	first := newReplica(t, t.TempDir(), memory)
	first.append("main", lines)
	if err := first.seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	// A second replica held less of the same log, and comes late.
	second := newReplica(t, t.TempDir(), memory)
	second.append("main", lines[:50])
	there := memory.Keys()
	if err := second.seal(t.Context(), "main"); !errors.Is(err, archive.ErrSealed) {
		t.Errorf("second seal: %v, want ErrSealed", err)
	}
	if got := memory.Keys(); !slices.Equal(got, there) {
		t.Errorf("got keys %q, want %q: no manifest will ever name another log", got, there)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}

func TestJobDocument(t *testing.T) {
	memory := storetest.NewMemory(t)
	r := newReplica(t, t.TempDir(), memory)
	r.append("main", manyLines(10, 12))
	if err := r.seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there already
		d := &archive.JobDocument{Namespace: pod.Namespace, Job: archive.JobSummary{Name: pod.Job, UID: pod.JobUID}}
		if _, err := r.sealer.Job(t.Context(), pod, d); err != nil {
			t.Fatal(err)
		}
	}
	raw, _ := memory.Bytes(pod.JobKey())
	if !bytes.Contains(raw, []byte(`"complete"`)) || !slices.Contains(memory.Keys(), pod.JobKey()) {
		t.Errorf("Job document says %s", raw)
	}
}

// TestSealRefusesAKeyAtOnce: names that make no key are an answer. The store is not asked, and nobody waits.
func TestSealRefusesAKeyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplica(t, t.TempDir(), storetest.NewMemory(t))
		begin := time.Now()
		m := &archive.Manifest{Pod: archive.PodSummary{PodRef: pod, Phase: "Failed"}, Workloads: []string{"../other"}}
		if err := r.sealer.Pod(t.Context(), m); !errors.Is(err, archive.ErrKey) || time.Since(begin) > 0 || r.failed.Load() > 0 {
			t.Errorf("got %v after %s and %d tries that failed, want that it is no key, at once", err, time.Since(begin), r.failed.Load())
		}
	})
}
