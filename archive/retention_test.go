package archive_test

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
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

const day = 24 * time.Hour

// old is a Job that was created on the bubble's first day, and its first pod.
var old = archive.PodRef{Namespace: "ns", Job: "old.job", JobUID: "old-uid", Pod: "old-1", PodUID: "old-pod-1"}

func sibling(p archive.PodRef, n int) archive.PodRef {
	p.Pod, p.PodUID = fmt.Sprint(p.Job, "-", n), archive.PodUID(fmt.Sprint(p.JobUID, "-pod-", n))
	return p
}

// sealed seals a pod of one line, whose Job (or which itself) was created at the given time, and the Job's document.
func (l *life) sealed(p archive.PodRef, created time.Time) {
	l.t.Helper()
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: p, Phase: "Succeeded", CreatedAt: created}, Workloads: []string{workload}}
	if p.Job != "" {
		m.Job = &archive.JobSummary{Name: p.Job, UID: p.JobUID, CreatedAt: created}
	}
	record, err := l.sealer.Log(l.t.Context(), l.write(p, "main", numberedLines(1)))
	if err == nil {
		m.Instances = append(m.Instances, record)
		err = l.sealer.Pod(l.t.Context(), m)
	}
	if err == nil && p.Job != "" {
		_, err = l.sealer.Job(l.t.Context(), p, &archive.JobDocument{Namespace: p.Namespace, Job: *m.Job})
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) sweep(cfg archive.RetentionConfig, store archive.Store) (archive.RetentionStats, error) {
	if cfg.After == 0 {
		cfg.After = 30 * day
	}
	r := archive.NewRetention(cfg, store, l.journal.Journal, quiet())
	err := r.Sweep(l.t.Context())
	return r.Stats(), err
}

func keysWith(m *storetest.Memory, part string) (keys []archive.Key) {
	for _, key := range m.Keys() {
		if strings.Contains(string(key), part) {
			keys = append(keys, key)
		}
	}
	return keys
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
		l := newLife(t, "replica-0", t.TempDir(), store, 0)
		began := time.Now()
		bare := archive.PodRef{Namespace: "ns", Pod: "bare.pod", PodUID: "bare-uid"}
		l.sealed(old, began)
		l.sealed(sibling(old, 2), began)
		l.sealed(bare, began)
		putStrangers(t, store)
		time.Sleep(20 * day)
		young := archive.PodRef{Namespace: "ns", Job: "young", JobUID: "young-uid", Pod: "young-1", PodUID: "young-pod-1"}
		l.sealed(young, time.Now())
		wanted := append(keysWith(store, "young"), strangers...)
		time.Sleep(12 * day)

		stats, err := l.sweep(archive.RetentionConfig{}, store)
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
		cfg  archive.RetentionConfig
		// prepare is called after old was sealed on the first day, and lets the time pass.
		prepare func(l *life, store *storetest.Memory)
	}{
		{"what is not old enough", archive.RetentionConfig{}, func(*life, *storetest.Memory) { time.Sleep(31*day - time.Second) }},
		{"what somebody else acts for or the cluster has", archive.RetentionConfig{
			Leave: func(p archive.PodRef) bool {
				return p == archive.PodRef{Namespace: old.Namespace, Job: old.Job, JobUID: old.JobUID}
			},
		}, func(*life, *storetest.Memory) { time.Sleep(40 * day) }},
		{"what belongs to another namespace", archive.RetentionConfig{Namespace: "other"}, func(*life, *storetest.Memory) { time.Sleep(40 * day) }},
		{"a Job with a pod that was sealed lately", archive.RetentionConfig{}, func(l *life, _ *storetest.Memory) {
			began := time.Now()
			time.Sleep(20 * day)
			l.sealed(sibling(old, 2), began)
			time.Sleep(20 * day)
		}},
		{"a Job whose other pod is in the spool, its log object stored", archive.RetentionConfig{}, func(l *life, _ *storetest.Memory) {
			time.Sleep(40 * day)
			if _, err := l.sealer.Log(l.t.Context(), l.write(sibling(old, 2), "main", numberedLines(1))); err != nil {
				l.t.Fatal(err)
			}
		}},
		{"a Job with a pod that a journal names", archive.RetentionConfig{}, func(l *life, store *storetest.Memory) {
			other := newLife(l.t, "replica-1", l.t.TempDir(), store, 0)
			other.write(old, "second", numberedLines(3))
			other.flush()
			time.Sleep(40 * day)
		}},
		{"what it cannot read", archive.RetentionConfig{}, func(l *life, store *storetest.Memory) {
			store.MayReplace = func(archive.Key) bool { return true }
			err := store.Put(l.t.Context(), old.ManifestKey(), strings.NewReader(`{"version":"v2"}`), archive.PutOptions{})
			if err != nil {
				l.t.Fatal(err)
			}
			time.Sleep(40 * day)
		}},
		{"a manifest without the time of its seal", archive.RetentionConfig{}, func(l *life, store *storetest.Memory) {
			store.MayReplace = func(archive.Key) bool { return true }
			err := store.Put(l.t.Context(), old.ManifestKey(), strings.NewReader(`{"version":"v1"}`), archive.PutOptions{})
			if err != nil {
				l.t.Fatal(err)
			}
			time.Sleep(40 * day)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := storetest.NewMemory(t)
				l := newLife(t, "replica-0", t.TempDir(), store, 0)
				l.sealed(old, time.Now())
				test.prepare(l, store)
				want := store.Keys()
				stats, err := l.sweep(test.cfg, store)
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
		{"of a dead replica, old", everyone, 31 * day, 0},
		{"of a dead replica, young", everyone, 29 * day, 1},
		{"of a live replica, old", nobody, 31 * day, 1},
		{"taken over", everyone, 31 * day, 1},
		{"of another namespace", everyone, 31 * day, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := journalMemory(t)
				gone := newLife(t, "replica-9", t.TempDir(), store, 0)
				gone.write(old, "main", numberedLines(3))
				gone.flush()
				l := newLife(t, "replica-0", t.TempDir(), store, 0)
				if test.name == "taken over" {
					l.takeOver("replica-9")
				}
				cfg := archive.RetentionConfig{Dead: test.dead, Namespace: "ns"}
				if test.name == "of another namespace" {
					cfg.Namespace = "other"
				}
				time.Sleep(test.age)
				stats, err := l.sweep(cfg, store)
				if err != nil {
					t.Fatal(err)
				}
				if got := len(journalKeys(store)); got != test.want || stats.Journals != int64(1-test.want) {
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
		l := newLife(t, "replica-0", t.TempDir(), store, 0)
		r := archive.NewRetention(archive.RetentionConfig{After: 30 * day}, store, l.journal.Journal, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		began, ended := time.Now(), make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(day + 2*time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
		// The first fails, the second comes after an hour, the third a day later.
		if got := len(store.before); got != 3 {
			t.Fatalf("got %d runs, want 3", got)
		}
		if first := store.before[0].Add(day).Sub(began); first < time.Minute || first > 11*time.Minute {
			t.Errorf("got the first run after %s, want it some minutes after the start", first)
		}
		for i, want := range []time.Duration{time.Hour, day} {
			if got := store.before[i+1].Sub(store.before[i]); got != want {
				t.Errorf("got %s between run %d and the next, want %s", got, i+1, want)
			}
		}
		if stats := r.Stats(); stats.Uploads != 5 || stats.Failures != 1 {
			t.Errorf("got %+v, want 5 uploads and 1 failure", stats)
		}
	})
}
