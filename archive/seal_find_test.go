package archive_test

import (
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
