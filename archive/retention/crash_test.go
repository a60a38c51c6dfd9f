package retention_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// The process dies at each of the deletes, before it or after it, or only some of its keys go; then the next run comes.
// In between nothing that can still be found may be in pieces.
func TestRetentionCrash(t *testing.T) {
	effects := map[string]storetest.Effect{"before": storetest.NotStored(nil), "after": storetest.Stored(nil)}
	for name, effect := range effects {
		for n := range 5 {
			t.Run(fmt.Sprint(name, " delete ", n+1), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					memory := storetest.NewMemory(t)
					store := &storetest.Faulty{Store: memory}
					l := archivetest.NewLife(t, "replica-0", t.TempDir(), store, 0)
					l.SealCreated(archivetest.OldPod, time.Now())
					l.SealCreated(sibling(archivetest.OldPod, 2), time.Now())
					time.Sleep(40 * archivetest.Day)
					store.Break(storetest.Fault{Op: storetest.OpDelete, Skip: n, Effect: effect})
					if _, err := l.Sweep(retention.Config{}, store); err == nil {
						t.Error("got no error from the run that was broken off, want one")
					}
					store.VerifyAllFired(t)
					checkNothingInPieces(t, memory)
					if stats, err := l.Sweep(retention.Config{}, store); err != nil || stats.Unreadable > 0 {
						t.Errorf("next run: got %+v and error %v, want none unreadable and none", stats, err)
					}
					if got := memory.Keys(); len(got) > 0 {
						t.Errorf("got %q after the next run, want nothing", got)
					}
				})
			})
		}
	}
}

func checkNothingInPieces(t *testing.T, store *storetest.Memory) {
	t.Helper()
	manifests := archivetest.KeysWith(store, "/manifest.json")
	if len(store.Keys()) > 0 && len(archivetest.KeysWith(store, "/_index/day/")) == 0 {
		t.Errorf("got keys %q without a day's, want that one to go last", store.Keys())
	}
	if n := len(archivetest.KeysWith(store, "/job.json")) + len(archivetest.KeysWith(store, "/_index/workload/")); n > 0 && len(manifests) != 2 {
		t.Errorf("got %d ways that lead to the Job and %d manifests, want both", n, len(manifests))
	}
	for _, key := range manifests {
		raw, _ := store.Bytes(key)
		m, err := archive.ReadManifest(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := store.Bytes(m.Instances[0].Log.Key); !ok {
			t.Errorf("manifest %s names a log that is gone", key)
		}
	}
}

// A pod of the Job is sealed at the very moment at which the Job's last index key goes.
func TestRetentionMeetsASeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := storetest.NewMemory(t)
		memory.MayReadDeleted = func(archive.Key) bool { return true }
		store := &storetest.Faulty{Store: memory}
		l := archivetest.NewLife(t, "replica-0", t.TempDir(), store, 0)
		began := time.Now()
		l.SealCreated(archivetest.OldPod, began)
		time.Sleep(40 * archivetest.Day)
		store.Break(storetest.Fault{Op: storetest.OpDelete, Key: "v1/_index/day/*",
			Effect: func(ctx context.Context, _ *storetest.Call, through func(context.Context) error) error {
				l.SealCreated(sibling(archivetest.OldPod, 2), began)
				return through(ctx)
			}})
		if _, err := l.Sweep(retention.Config{}, store); err != nil {
			t.Fatal(err)
		}
		store.VerifyAllFired(t)
		if _, ok := memory.Bytes(sibling(archivetest.OldPod, 2).ManifestKey()); !ok {
			t.Error("the manifest that came meanwhile is gone, want it kept")
		}
		for _, key := range []archive.Key{archivetest.OldPod.DayIndexKey(began), archivetest.OldPod.WorkloadIndexKey(archivetest.Workload)} {
			if _, ok := memory.Bytes(key); !ok {
				t.Errorf("index key %s is gone, want it to lead to the pod that was sealed meanwhile", key)
			}
		}
	})
}
