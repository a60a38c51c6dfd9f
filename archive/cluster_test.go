package archive_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestClustersShareAPrefix: what a replica of one cluster has open is not taken over, removed or expired by one of another, whose replicas
// may well have the same names; and its own next life has all of it.
func TestClustersShareAPrefix(t *testing.T) {
	for _, name := range []string{"r-1", "r-2"} { // of the other cluster's replica
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := journalMemory(t)
				a := newLife(t, "r-1", t.TempDir(), store, 0)
				a.spool.BelongTo("cluster-a")
				lines := manyLines(1000, 1)
				a.write(podNumber(1), "main", lines)
				a.draft(podNumber(1), "Running")
				a.flush()
				a.sealed(old, time.Now())
				theirs := store.Keys()
				b := newLife(t, name, t.TempDir(), store, 0)
				b.spool.BelongTo("cluster-b")
				if got := b.takeOver("r-1", "r-2"); len(got) > 0 {
					t.Errorf("took over %v, want nothing of another cluster", got)
				}
				b.write(podNumber(2), "main", lines[:10])
				b.flush()
				if err := b.sealPod(t.Context(), podNumber(2)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(40 * day)
				if err := b.journal.Collect(t.Context(), everyone); err != nil {
					t.Fatal(err)
				}
				if _, err := b.sweep(archive.RetentionConfig{Dead: everyone}, store); err != nil {
					t.Fatal(err)
				}
				for _, key := range theirs {
					if !slices.Contains(store.Keys(), key) {
						t.Errorf("%s is gone", key)
					}
				}
				next := newLife(t, "r-1", t.TempDir(), store, 0)
				next.spool.BelongTo("cluster-a")
				if got := next.takeOver("r-1", "r-2"); !slices.Equal(got, []archive.PodUID{podNumber(1).PodUID}) {
					t.Fatalf("took over %v, want the pod of its own cluster", got)
				}
				if got := next.spool.Logs(podNumber(1).PodUID)[0].Summary().Lines; got != int64(len(lines)) {
					t.Errorf("%d lines, want %d", got, len(lines))
				}
			})
		})
	}
}

// TestClusterIsWritten: manifests and Jobs' documents say whose they are; what says nothing is judged as before.
func TestClusterIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journalMemory(t)
		a := newLife(t, "r-1", t.TempDir(), store, 0)
		a.spool.BelongTo("cluster-a")
		a.sealed(old, time.Now())
		m, err := a.sealer.Manifest(t.Context(), old)
		if err != nil || m.Cluster != "cluster-a" {
			t.Errorf("the manifest is of cluster %q, %v, want cluster-a", m.Cluster, err)
		}
		nameless := newLife(t, "r-1", t.TempDir(), store, 0)
		nameless.write(podNumber(1), "main", manyLines(10, 1))
		nameless.draft(podNumber(1), "Running")
		nameless.flush()
		if got := newLife(t, "r-1", t.TempDir(), store, 0).takeOver("r-1"); len(got) != 1 {
			t.Errorf("took over %v, want the pod of an older version", got)
		}
		time.Sleep(40 * day)
		if stats, err := a.sweep(archive.RetentionConfig{}, store); err != nil || stats.Jobs != 1 {
			t.Errorf("%d Jobs expired, %v, want its own", stats.Jobs, err)
		}
	})
}
