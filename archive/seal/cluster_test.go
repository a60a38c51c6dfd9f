package seal_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/retention"
)

// TestClustersShareAPrefix: what a replica of one cluster has open is not taken over, removed or expired by one of
// another, whose replicas may well have the same names; and its own next life has all of it.
func TestClustersShareAPrefix(t *testing.T) {
	for _, name := range []string{"r-1", "r-2"} { // of the other cluster's replica
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := archivetest.NewJournalStore(t)
				a := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
				a.Spool.BelongTo("cluster-a")
				lines := archivetest.ManyLines(1000, 1)
				a.Write(archivetest.PodNumber(1), "main", lines)
				a.Draft(archivetest.PodNumber(1), "Running")
				a.Flush()
				a.SealCreated(archivetest.OldPod, time.Now())
				theirs := store.Keys()
				b := archivetest.NewLife(t, name, t.TempDir(), store, 0)
				b.Spool.BelongTo("cluster-b")
				if got := b.TakeOver("r-1", "r-2"); len(got) > 0 {
					t.Errorf("took over %v, want nothing of another cluster", got)
				}
				b.Write(archivetest.PodNumber(2), "main", lines[:10])
				b.Flush()
				if err := b.SealPod(t.Context(), archivetest.PodNumber(2)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(40 * archivetest.Day)
				if err := b.Journal.Collect(t.Context(), archivetest.EveryReplica); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Sweep(retention.Config{Dead: archivetest.EveryReplica}, store); err != nil {
					t.Fatal(err)
				}
				for _, key := range theirs {
					if !slices.Contains(store.Keys(), key) {
						t.Errorf("%s is gone", key)
					}
				}
				next := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
				next.Spool.BelongTo("cluster-a")
				if got := next.TakeOver("r-1", "r-2"); !slices.Equal(got, []archive.PodUID{archivetest.PodNumber(1).PodUID}) {
					t.Fatalf("took over %v, want the pod of its own cluster", got)
				}
				if got := next.Spool.Logs(archivetest.PodNumber(1).PodUID)[0].Summary().Lines; got != int64(len(lines)) {
					t.Errorf("%d lines, want %d", got, len(lines))
				}
			})
		})
	}
}

// TestClusterIsWritten: manifests and Jobs' documents say whose they are; what says nothing is judged as before.
func TestClusterIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := archivetest.NewJournalStore(t)
		a := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
		a.Spool.BelongTo("cluster-a")
		a.SealCreated(archivetest.OldPod, time.Now())
		m, err := a.Sealer.Manifest(t.Context(), archivetest.OldPod)
		if err != nil || m.Cluster != "cluster-a" {
			t.Errorf("the manifest is of cluster %q, %v, want cluster-a", m.Cluster, err)
		}
		nameless := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
		nameless.Write(archivetest.PodNumber(1), "main", archivetest.ManyLines(10, 1))
		nameless.Draft(archivetest.PodNumber(1), "Running")
		nameless.Flush()
		if got := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0).TakeOver("r-1"); len(got) != 1 {
			t.Errorf("took over %v, want the pod of an older version", got)
		}
		time.Sleep(40 * archivetest.Day)
		if stats, err := a.Sweep(retention.Config{}, store); err != nil || stats.Jobs != 1 {
			t.Errorf("%d Jobs expired, %v, want its own", stats.Jobs, err)
		}
	})
}
