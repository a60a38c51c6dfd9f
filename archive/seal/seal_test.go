package seal_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// checkArchive reads everything that should be in the store and compares it with what was appended.
func checkArchive(t *testing.T, store *storetest.Memory, want map[string][]archive.Line) {
	t.Helper()
	raw, ok := store.Bytes(archivetest.Pod.ManifestKey())
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
		archivetest.CheckLog(t, store, &r, want[r.Container])
	}
	for _, key := range []archive.Key{archivetest.Pod.DayIndexKey(time.Unix(0, archivetest.Start)), archivetest.Pod.WorkloadIndexKey(archivetest.Workload)} {
		if _, ok := store.Bytes(key); !ok {
			t.Errorf("index key %s is missing", key)
		}
	}
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
	want := map[string][]archive.Line{"main": archivetest.LongLines(1_500, 7), "side": archivetest.ManyLines(30, 8), "quiet": nil}
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
	first := archivetest.NewReplica(t, dir, store)
	for name, lines := range want {
		first.Append(name, lines)
	}
	err := first.Seal(life, "main", "side", "quiet")
	if crashed := life.Err() != nil; crashed != (err != nil) {
		t.Fatalf("seal: %v, crashed: %t", err, crashed)
	}
	store.VerifyAllFired(t)
	if err != nil {
		checkBrokenOff(t, memory)
		second := archivetest.NewReplica(t, dir, store)
		if pods, err := second.Spool.Pods(); err != nil || len(pods) != 1 {
			t.Fatalf("the next life finds %v (%v) in the spool, want the pod: nobody else would finish its seal", pods, err)
		}
		err = second.Seal(t.Context(), "main", "side", "quiet")
		if err != nil && !errors.Is(err, seal.ErrSealed) {
			t.Fatalf("seal after the crash: %v", err)
		}
	}
	checkArchive(t, memory, want)
	last := archivetest.NewReplica(t, dir, store)
	if pods, err := last.Spool.Pods(); err != nil || len(pods) != 0 {
		t.Errorf("the spool still holds %v (%v)", pods, err)
	}
}

// checkBrokenOff says that what a crash left in the store leads nowhere that is not there.
func checkBrokenOff(t *testing.T, store *storetest.Memory) {
	t.Helper()
	raw, sealed := store.Bytes(archivetest.Pod.ManifestKey())
	if !sealed {
		if keys := archivetest.KeysWith(store, "/_index/"); len(keys) > 0 {
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
	want := map[string][]archive.Line{"main": archivetest.LongLines(1_500, 9)}
	steps := map[string]func(*archivetest.Replica) error{
		"after the last line": func(*archivetest.Replica) error { return nil },
		"after the index": func(r *archivetest.Replica) error {
			_, err := archivetest.OpenLog(t, r.Spool, archivetest.Instance("main")).End()
			return err
		},
		"after the record": func(r *archivetest.Replica) error {
			_, err := r.Sealer.Log(t.Context(), archivetest.OpenLog(t, r.Spool, archivetest.Instance("main")))
			return err
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			memory, dir := storetest.NewMemory(t), t.TempDir()
			first := archivetest.NewReplica(t, dir, memory)
			first.Append("main", want["main"])
			if err := step(first); err != nil {
				t.Fatal(err)
			}
			if err := archivetest.NewReplica(t, dir, memory).Seal(t.Context(), "main"); err != nil {
				t.Fatalf("seal after the crash: %v", err)
			}
			checkArchive(t, memory, want)
		})
	}
}

func TestFirstManifestStands(t *testing.T) {
	memory := storetest.NewMemory(t)
	lines := archivetest.ManyLines(100, 10)
	first := archivetest.NewReplica(t, t.TempDir(), memory)
	first.Append("main", lines)
	if err := first.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	// A second replica held less of the same log, and comes late.
	second := archivetest.NewReplica(t, t.TempDir(), memory)
	second.Append("main", lines[:50])
	there := memory.Keys()
	if err := second.Seal(t.Context(), "main"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("second seal: %v, want ErrSealed", err)
	}
	if got := memory.Keys(); !slices.Equal(got, there) {
		t.Errorf("got keys %q, want %q: no manifest will ever name another log", got, there)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}

func TestJobDocument(t *testing.T) {
	memory := storetest.NewMemory(t)
	r := archivetest.NewReplica(t, t.TempDir(), memory)
	r.Append("main", archivetest.ManyLines(10, 12))
	if err := r.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there already
		d := &archive.JobDocument{Namespace: archivetest.Pod.Namespace, Job: archive.JobSummary{Name: archivetest.Pod.Job, UID: archivetest.Pod.JobUID}}
		if _, err := r.Sealer.Job(t.Context(), archivetest.Pod, d); err != nil {
			t.Fatal(err)
		}
	}
	raw, _ := memory.Bytes(archivetest.Pod.JobKey())
	if !bytes.Contains(raw, []byte(`"complete"`)) || !slices.Contains(memory.Keys(), archivetest.Pod.JobKey()) {
		t.Errorf("Job document says %s", raw)
	}
}

// TestSealRefusesAKeyAtOnce: names that make no key are an answer. The store is not asked, and nobody waits.
func TestSealRefusesAKeyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := archivetest.NewReplica(t, t.TempDir(), storetest.NewMemory(t))
		begin := time.Now()
		m := &archive.Manifest{Pod: archive.PodSummary{PodRef: archivetest.Pod, Phase: "Failed"}, Workloads: []string{"../other"}}
		if err := r.Sealer.Pod(t.Context(), m); !errors.Is(err, archive.ErrKey) || time.Since(begin) > 0 || r.Failed.Load() > 0 {
			t.Errorf("got %v after %s and %d tries that failed, want that it is no key, at once", err, time.Since(begin), r.Failed.Load())
		}
	})
}
