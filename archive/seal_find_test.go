package archive_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestFindLogs has replicas that put log objects and die with their disks. What the objects say of themselves is found again.
func TestFindLogs(t *testing.T) {
	warmCodec(t)
	lines := manyLines(100, 30)
	for _, tt := range []struct {
		name      string
		put       []heldLog
		wantLines int64 // 0: nothing is found
	}{
		{"nothing there", nil, 0},
		{"one", []heldLog{{50, false}}, 50},
		{"two, the second is whole", []heldLog{{50, true}, {100, false}}, 100},
		{"two, the same but less proven", []heldLog{{100, true}, {100, false}}, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := storetest.NewMemory(t)
				store := &storetest.Faulty{Store: memory}
				for _, h := range tt.put {
					dead := newReplica(t, t.TempDir(), memory)
					if _, err := dead.sealer.Log(t.Context(), dead.hold(lines, h)); err != nil {
						t.Fatal(err)
					}
				}
				store.Break(storetest.Fault{Op: storetest.OpList, Times: 2}) // an outage is waited out
				found, err := newReplica(t, t.TempDir(), store).sealer.Find(t.Context(), pod)
				store.VerifyAllFired(t)
				if err != nil || len(found) != min(1, len(tt.put)) {
					t.Fatalf("Find() = %+v, %v; want %d lines", found, err, tt.wantLines)
				}
				for _, r := range found {
					if r.Log.Lines != tt.wantLines || r.Instance != instance("main") || r.Verdict != archive.Complete {
						t.Errorf("got %s, %+v of %+v, want %d lines of %+v, complete", r.Verdict, r.Log, r.Instance, tt.wantLines, instance("main"))
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
	first := newReplica(t, t.TempDir(), memory)
	if _, err := first.sealer.Log(t.Context(), first.hold(manyLines(10, 1), heldLog{10, false})); err != nil {
		t.Fatal(err)
	}
	key := instance("main").LogKey()
	store := copyDamaged(t, memory, key, func(b []byte) { b[len(b)/2] ^= 1; b[len(b)-1] ^= 1 })
	if found, err := newReplica(t, t.TempDir(), store).sealer.Find(t.Context(), pod); len(found) > 0 || err != nil {
		t.Errorf("Find() = %+v, %v; want nothing", found, err)
	}
}

// TestLogObjectOfAnotherContainer: the container was made anew under the same name and count, and the log of the one before it
// stands under the key. It is no part of ours, even where we have nothing.
func TestLogObjectOfAnotherContainer(t *testing.T) {
	for name, ours := range map[string]heldLog{"we have nothing": {0, true}, "we have less": {50, true}} {
		t.Run(name, func(t *testing.T) {
			memory := storetest.NewMemory(t)
			before := newReplica(t, t.TempDir(), memory)
			other := instance("main")
			other.ContainerID = "containerd://before"
			log := openLog(t, before.spool, other)
			if _, err := log.Append(manyLines(100, 26)...); err != nil {
				t.Fatal(err)
			}
			if _, err := before.sealer.Log(t.Context(), log); err != nil {
				t.Fatal(err)
			}
			r := newReplica(t, t.TempDir(), memory)
			r.hold(manyLines(100, 27), ours)
			if err := r.seal(t.Context(), "main"); err != nil {
				t.Fatal(err)
			}
			got := vouched(t, memory)
			switch {
			case ours.lines == 0 && (got.Verdict != archive.Lost || got.Log != nil):
				t.Errorf("got %s with %+v, want lost without a log", got.Verdict, got.Log)
			case ours.lines > 0 && (got.Log == nil || got.Log.Lines != int64(ours.lines)):
				t.Errorf("got %s with %+v, want our %d lines", got.Verdict, got.Log, ours.lines)
			}
		})
	}
}

// TestDamagedObjectUnderEachKey: nothing that cannot be read is vouched for, not even under a key that names our text. As long as
// a longer one is free the log is sealed under that: else its pod would wait for ever.
func TestDamagedObjectUnderEachKey(t *testing.T) {
	memory, dir := storetest.NewMemory(t), t.TempDir()
	memory.MayReplace = func(archive.Key) bool { return true }
	key, lines := instance("main").LogKey(), manyLines(100, 28)
	for range 3 {
		put(t, memory, key, []byte("half an upl"))
		r := newReplica(t, t.TempDir(), memory)
		record, err := r.sealer.Log(t.Context(), r.hold(lines, heldLog{100, false}))
		if err != nil || record.Log.Key == key {
			t.Fatalf("got %+v, %v, want a log under another key than %s", record.Log, err, key)
		}
		checkLog(t, memory, &record, lines)
		key = record.Log.Key
	}
	put(t, memory, key, []byte("half of the last one, too"))
	r := newReplica(t, dir, memory)
	if _, err := r.sealer.Log(t.Context(), r.hold(lines, heldLog{100, false})); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
	sameLines(t, held(t, openLog(t, newReplica(t, dir, memory).spool, instance("main"))), lines)
}

// TestOtherManifestIsToldApart: a pod without logs meets the manifest of a replica that had some.
func TestOtherManifestIsToldApart(t *testing.T) {
	memory := storetest.NewMemory(t)
	lines := manyLines(100, 11)
	first := newReplica(t, t.TempDir(), memory)
	first.append("main", lines)
	if err := first.seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	if err := newReplica(t, t.TempDir(), memory).seal(t.Context()); !errors.Is(err, archive.ErrSealed) {
		t.Errorf("second seal: %v, want ErrSealed", err)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}
