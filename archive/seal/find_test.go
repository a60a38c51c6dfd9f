package seal_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestFindLogs has replicas that put log objects and die with their disks. What the objects say of themselves is found
// again.
func TestFindLogs(t *testing.T) {
	archivetest.WarmCodec(t)
	lines := archivetest.ManyLines(100, 30)
	for _, tt := range []struct {
		name      string
		put       []archivetest.HeldLog
		wantLines int64 // 0: nothing is found
	}{
		{"nothing there", nil, 0},
		{"one", []archivetest.HeldLog{{Lines: 50}}, 50},
		{"two, the second is whole", []archivetest.HeldLog{{Lines: 50, Gap: true}, {Lines: 100}}, 100},
		{"two, the same but less proven", []archivetest.HeldLog{{Lines: 100, Gap: true}, {Lines: 100}}, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := storetest.NewMemory(t)
				store := &storetest.Faulty{Store: memory}
				for _, h := range tt.put {
					dead := archivetest.NewReplica(t, t.TempDir(), memory)
					if _, err := dead.Sealer.Log(t.Context(), dead.Hold(lines, h)); err != nil {
						t.Fatal(err)
					}
				}
				store.Break(storetest.Fault{Op: storetest.OpList, Times: 2}) // an outage is waited out
				found, err := archivetest.NewReplica(t, t.TempDir(), store).Sealer.Find(t.Context(), archivetest.Pod)
				store.VerifyAllFired(t)
				if err != nil || len(found) != min(1, len(tt.put)) {
					t.Fatalf("Find() = %+v, %v; want %d lines", found, err, tt.wantLines)
				}
				for _, r := range found {
					if r.Log.Lines != tt.wantLines || r.Instance != archivetest.Instance("main") || r.Verdict != archive.Complete {
						t.Errorf("got %s, %+v of %+v, want %d lines of %+v, complete", r.Verdict, r.Log, r.Instance, tt.wantLines, archivetest.Instance("main"))
					}
					object, there := memory.Bytes(r.Log.Key)
					if !there || int64(len(object)) != r.Log.Size {
						t.Errorf("got key %s and %d bytes, there are %d bytes", r.Log.Key, r.Log.Size, len(object))
					}
				}
			})
		})
	}
}

// TestFindDamagedLog: an object that cannot be read is no log.
func TestFindDamagedLog(t *testing.T) {
	memory := storetest.NewMemory(t)
	first := archivetest.NewReplica(t, t.TempDir(), memory)
	if _, err := first.Sealer.Log(t.Context(), first.Hold(archivetest.ManyLines(10, 1), archivetest.HeldLog{Lines: 10})); err != nil {
		t.Fatal(err)
	}
	key := archivetest.Instance("main").LogKey()
	store := archivetest.CopyDamaged(t, memory, key, func(b []byte) { b[len(b)/2] ^= 1; b[len(b)-1] ^= 1 })
	if found, err := archivetest.NewReplica(t, t.TempDir(), store).Sealer.Find(t.Context(), archivetest.Pod); len(found) > 0 || err != nil {
		t.Errorf("Find() = %+v, %v; want nothing", found, err)
	}
}

// TestLogObjectOfAnotherContainer: the container was made anew under the same name and count, and the log of the one
// before it stands under the key. It is no part of ours, even where we have nothing.
func TestLogObjectOfAnotherContainer(t *testing.T) {
	for name, ours := range map[string]archivetest.HeldLog{"we have nothing": {Lines: 0, Gap: true}, "we have less": {Lines: 50, Gap: true}} {
		t.Run(name, func(t *testing.T) {
			memory := storetest.NewMemory(t)
			before := archivetest.NewReplica(t, t.TempDir(), memory)
			other := archivetest.Instance("main")
			other.ContainerID = "containerd://before"
			log := archivetest.OpenLog(t, before.Spool, other)
			if _, err := log.Append(archivetest.ManyLines(100, 26)...); err != nil {
				t.Fatal(err)
			}
			if _, err := before.Sealer.Log(t.Context(), log); err != nil {
				t.Fatal(err)
			}
			r := archivetest.NewReplica(t, t.TempDir(), memory)
			r.Hold(archivetest.ManyLines(100, 27), ours)
			if err := r.Seal(t.Context(), "main"); err != nil {
				t.Fatal(err)
			}
			got := vouched(t, memory)
			switch {
			case ours.Lines == 0 && (got.Verdict != archive.Lost || got.Log != nil):
				t.Errorf("got %s with %+v, want lost without a log", got.Verdict, got.Log)
			case ours.Lines > 0 && (got.Log == nil || got.Log.Lines != int64(ours.Lines)):
				t.Errorf("got %s with %+v, want our %d lines", got.Verdict, got.Log, ours.Lines)
			}
		})
	}
}

// TestDamagedObjectUnderEachKey: nothing that cannot be read is vouched for, not even under a key that names our text.
// As long as a longer one is free the log is sealed under that: else its pod would wait for ever.
func TestDamagedObjectUnderEachKey(t *testing.T) {
	memory, dir := storetest.NewMemory(t), t.TempDir()
	memory.MayReplace = func(archive.Key) bool { return true }
	key, lines := archivetest.Instance("main").LogKey(), archivetest.ManyLines(100, 28)
	for range 3 {
		archivetest.PutBytes(t, memory, key, []byte("half an upl"))
		r := archivetest.NewReplica(t, t.TempDir(), memory)
		record, err := r.Sealer.Log(t.Context(), r.Hold(lines, archivetest.HeldLog{Lines: 100}))
		if err != nil || record.Log.Key == key {
			t.Fatalf("got %+v, %v, want a log under another key than %s", record.Log, err, key)
		}
		archivetest.CheckLog(t, memory, &record, lines)
		key = record.Log.Key
	}
	archivetest.PutBytes(t, memory, key, []byte("half of the last one, too"))
	r := archivetest.NewReplica(t, dir, memory)
	if _, err := r.Sealer.Log(t.Context(), r.Hold(lines, archivetest.HeldLog{Lines: 100})); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, archivetest.NewReplica(t, dir, memory).Spool, archivetest.Instance("main"))), lines)
}

// TestOtherManifestIsToldApart: a pod without logs meets the manifest of a replica that had some.
func TestOtherManifestIsToldApart(t *testing.T) {
	memory := storetest.NewMemory(t)
	lines := archivetest.ManyLines(100, 11)
	first := archivetest.NewReplica(t, t.TempDir(), memory)
	first.Append("main", lines)
	if err := first.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	if err := archivetest.NewReplica(t, t.TempDir(), memory).Seal(t.Context()); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("second seal: %v, want ErrSealed", err)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}
