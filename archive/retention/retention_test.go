package retention_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func sibling(p archive.PodRef, n int) archive.PodRef {
	p.Pod, p.PodUID = fmt.Sprint(p.Job, "-", n), archive.PodUID(fmt.Sprint(p.JobUID, "-pod-", n))
	return p
}

// strangers are objects that the archive did not write, where it writes.
var strangers = []archive.Key{
	"v1/ns/old.job/old-uid/notes.txt", "v1/ns/old.job/old-uid/old-1.old-pod-1/deeper/main.0.log.zst",
	"v1/ns/old.job/old-uid/old-1.old-pod-1/manifest.json.bak", "v1/_index/day/1999-12-31/nobody", "v1/_index/day/soon/ns.old.job.old-uid", "other/file",
}

func putStrangers(t *testing.T, store archive.Store) {
	for _, key := range strangers {
		if err := store.Put(t.Context(), key, strings.NewReader("x"), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRetentionDeletesWhatIsOldAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewMemory(t)
		l := archivetest.NewLife(t, "replica-0", t.TempDir(), store, 0)
		began := time.Now()
		bare := archive.PodRef{Namespace: "ns", Pod: "bare.pod", PodUID: "bare-uid"}
		l.SealCreated(archivetest.OldPod, began)
		l.SealCreated(sibling(archivetest.OldPod, 2), began)
		l.SealCreated(bare, began)
		putStrangers(t, store)
		time.Sleep(20 * archivetest.Day)
		young := archive.PodRef{Namespace: "ns", Job: "young", JobUID: "young-uid", Pod: "young-1", PodUID: "young-pod-1"}
		l.SealCreated(young, time.Now())
		wanted := append(archivetest.KeysWith(store, "young"), strangers...)
		time.Sleep(12 * archivetest.Day)

		stats, err := l.Sweep(retention.Config{}, store)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(wanted)
		if got := store.Keys(); !slices.Equal(got, wanted) {
			t.Errorf("got keys\n%q, want\n%q", got, wanted)
		}
		// Of the Job: document, two manifests, two logs, three index keys, for its pods are not called after it. Of
		// the pod: manifest, log, two index keys.
		if stats.Jobs != 2 || stats.Objects != 12 || stats.Last != time.Now().Unix() {
			t.Errorf("got %+v, want 2 Jobs, 12 objects, and the time of now", stats)
		}
	})
}

func TestRetentionKeeps(t *testing.T) {
	tests := []struct {
		name string
		cfg  retention.Config
		// prepare is called after old was sealed on the first day, and lets the time pass.
		prepare func(l *archivetest.Life, store *storetest.Memory)
	}{
		{"what is not old enough", retention.Config{}, func(*archivetest.Life, *storetest.Memory) { time.Sleep(31*archivetest.Day - time.Second) }},
		{"what somebody else acts for or the cluster has", retention.Config{
			Leave: func(p archive.PodRef) bool {
				return p == archive.PodRef{Namespace: archivetest.OldPod.Namespace, Job: archivetest.OldPod.Job, JobUID: archivetest.OldPod.JobUID}
			},
		}, func(*archivetest.Life, *storetest.Memory) { time.Sleep(40 * archivetest.Day) }},
		{"what belongs to another namespace", retention.Config{Namespace: "other"}, func(*archivetest.Life, *storetest.Memory) { time.Sleep(40 * archivetest.Day) }},
		{"a Job with a pod that was sealed lately", retention.Config{}, func(l *archivetest.Life, _ *storetest.Memory) {
			began := time.Now()
			time.Sleep(20 * archivetest.Day)
			l.SealCreated(sibling(archivetest.OldPod, 2), began)
			time.Sleep(20 * archivetest.Day)
		}},
		{"a Job whose other pod is in the spool, its log object stored", retention.Config{}, func(l *archivetest.Life, _ *storetest.Memory) {
			time.Sleep(40 * archivetest.Day)
			if _, err := l.Sealer.Log(l.T.Context(), l.Write(sibling(archivetest.OldPod, 2), "main", archivetest.LinesTimedByNumber(1))); err != nil {
				l.T.Fatal(err)
			}
		}},
		{"a Job with a pod that a journal names", retention.Config{}, func(l *archivetest.Life, store *storetest.Memory) {
			other := archivetest.NewLife(l.T, "replica-1", l.T.TempDir(), store, 0)
			other.Write(archivetest.OldPod, "second", archivetest.LinesTimedByNumber(3))
			other.Flush()
			time.Sleep(40 * archivetest.Day)
		}},
		{"what it cannot read", retention.Config{}, func(l *archivetest.Life, store *storetest.Memory) {
			store.MayReplace = func(archive.Key) bool { return true }
			err := store.Put(l.T.Context(), archivetest.OldPod.ManifestKey(), strings.NewReader(`{"version":"v2"}`), archive.PutOptions{})
			if err != nil {
				l.T.Fatal(err)
			}
			time.Sleep(40 * archivetest.Day)
		}},
		{"a manifest without the time of its seal", retention.Config{}, func(l *archivetest.Life, store *storetest.Memory) {
			store.MayReplace = func(archive.Key) bool { return true }
			err := store.Put(l.T.Context(), archivetest.OldPod.ManifestKey(), strings.NewReader(`{"version":"v1"}`), archive.PutOptions{})
			if err != nil {
				l.T.Fatal(err)
			}
			time.Sleep(40 * archivetest.Day)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := storetest.NewMemory(t)
				l := archivetest.NewLife(t, "replica-0", t.TempDir(), store, 0)
				l.SealCreated(archivetest.OldPod, time.Now())
				test.prepare(l, store)
				want := store.Keys()
				stats, err := l.Sweep(test.cfg, store)
				if err != nil {
					t.Fatal(err)
				}
				if got := store.Keys(); !slices.Equal(got, want) {
					t.Errorf("got keys\n%q, want\n%q", got, want)
				}
				if unreadable := strings.Contains(test.name, "manifest") || strings.Contains(test.name, "read"); (stats.Unreadable == 1) != unreadable {
					t.Errorf("got %d unreadable, want one: %t", stats.Unreadable, unreadable)
				}
			})
		})
	}
}

func TestRetentionOfJournals(t *testing.T) {
	tests := []struct {
		name string
		dead func(string) bool
		age  time.Duration
		want int
	}{
		{"of a dead replica, old", archivetest.EveryReplica, 31 * archivetest.Day, 0},
		{"of a dead replica, young", archivetest.EveryReplica, 29 * archivetest.Day, 1},
		{"of a live replica, old", archivetest.NoReplica, 31 * archivetest.Day, 1},
		{"taken over", archivetest.EveryReplica, 31 * archivetest.Day, 1},
		{"of another namespace", archivetest.EveryReplica, 31 * archivetest.Day, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := archivetest.NewJournalStore(t)
				gone := archivetest.NewLife(t, "replica-9", t.TempDir(), store, 0)
				gone.Write(archivetest.OldPod, "main", archivetest.LinesTimedByNumber(3))
				gone.Flush()
				l := archivetest.NewLife(t, "replica-0", t.TempDir(), store, 0)
				if test.name == "taken over" {
					l.TakeOver("replica-9")
				}
				cfg := retention.Config{Dead: test.dead, Namespace: "ns"}
				if test.name == "of another namespace" {
					cfg.Namespace = "other"
				}
				time.Sleep(test.age)
				stats, err := l.Sweep(cfg, store)
				if err != nil {
					t.Fatal(err)
				}
				if got := len(archivetest.JournalKeys(store)); got != test.want || stats.Journals != int64(1-test.want) {
					t.Errorf("got %d objects and %d deleted, want %d", got, stats.Journals, test.want)
				}
			})
		})
	}
}

// aborting is a store that takes uploads.
type aborting struct {
	archive.Store
	before []time.Time
	fails  int
}

func (a *aborting) AbortUploads(_ context.Context, before time.Time) (int, error) {
	a.before = append(a.before, before)
	if len(a.before) <= a.fails {
		return 1, errors.New("out of order")
	}
	return 2, nil
}

func TestRetentionRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &aborting{Store: storetest.NewMemory(t), fails: 1}
		l := archivetest.NewLife(t, "replica-0", t.TempDir(), store, 0)
		r := retention.New(retention.Config{After: 30 * archivetest.Day}, store, l.Journal.Journal, archivetest.QuietLogger())
		ctx, cancel := context.WithCancel(t.Context())
		began, ended := time.Now(), make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(archivetest.Day + 2*time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
		// The first fails, the second comes after an hour, the third a day later.
		if got := len(store.before); got != 3 {
			t.Fatalf("got %d runs, want 3", got)
		}
		if first := store.before[0].Add(archivetest.Day).Sub(began); first < time.Minute || first > 11*time.Minute {
			t.Errorf("got the first run after %s, want it some minutes after the start", first)
		}
		for i, want := range []time.Duration{time.Hour, archivetest.Day} {
			if got := store.before[i+1].Sub(store.before[i]); got != want {
				t.Errorf("got %s between run %d and the next, want %s", got, i+1, want)
			}
		}
		if stats := r.Stats(); stats.Uploads != 5 || stats.Failures != 1 {
			t.Errorf("got %+v, want 5 uploads and 1 failure", stats)
		}
	})
}
