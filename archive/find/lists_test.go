package find_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// fullShelf keeps finished Jobs, all of one day, Jobs without a document and pods without a Job.
func fullShelf(t *testing.T, finished, gone, bare int) *archivetest.Shelf {
	s := archivetest.NewShelf(t)
	for n := range finished {
		job := fmt.Sprintf("done-%03d", n)
		s.Keep(archivetest.Workload, never(job))
		s.FinishNamed(job)
	}
	for n := range gone {
		s.Keep(archivetest.Workload, never(fmt.Sprintf("gone-%03d", n)))
	}
	for n := range bare {
		name := fmt.Sprintf("bare-%03d", n)
		m := &archive.Manifest{Pod: archive.PodSummary{
			PodRef: archive.PodRef{Namespace: "ns", Pod: name, PodUID: archive.PodUID(name + "-uid")}, CreatedAt: archivetest.AtSecond(0),
		}}
		if err := s.Sealer.Pod(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// never is the only instance of a Job, which left no log.
func never(job string) archivetest.KeptInstance {
	return archivetest.KeptInstance{Job: job, Pod: job + "-x", Container: "main", Kind: archive.KindMain, Verdict: archive.NeverStarted}
}

// TestListsDoNotReadAgain: whoever asks for a list again and again costs a few listings, and no request for each Job.
func TestListsDoNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const finished, gone, bare = 60, 20, 20
		s := fullShelf(t, finished, gone, bare)
		time.Sleep(time.Hour) // whose Job has no document by now gets none
		var first []string
		gets, lists := s.Requests(func() { first = s.ListedNames(s.Reader, archive.JobQuery{}) })
		if len(first) != finished+gone+bare || gets < finished+gone+bare {
			t.Fatalf("the first list gives %d Jobs for %d GETs, want %d and one GET for each at least", len(first), gets, finished+gone+bare)
		}
		t.Logf("first list of %d Jobs: %d GETs, %d LISTs", len(first), gets, lists)
		for _, q := range []archive.JobQuery{{}, {Namespace: "ns"}, {Workload: archivetest.Workload}} {
			for range 20 {
				gets, lists := s.Requests(func() { s.ListedNames(s.Reader, q) })
				if gets > 0 || lists > 3 {
					t.Fatalf("one more list of %+v costs %d GETs and %d LISTs, want none and 3 at most", q, gets, lists)
				}
			}
		}
		if again := s.ListedNames(s.Reader, archive.JobQuery{}); !slices.Equal(again, first) {
			t.Errorf("listed again: %q, want %q", again, first)
		}
		time.Sleep(find.ListedFor)
		if gets, _ := s.Requests(func() { s.ListedNames(s.Reader, archive.JobQuery{}) }); gets < finished {
			t.Errorf("a minute later a list costs %d GETs: what is deleted by hand would be given for ever", gets)
		}
	})
}

// TestListsTellTheNews: what becomes of Jobs that were listed shows in the next list.
func TestListsTellTheNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fullShelf(t, 1, 1, 0)
		state := func() string { return jobs(t, s.Reader, archive.JobQuery{Until: archivetest.AtSecond(0)}, 100) }
		wantState := func(what, want string) {
			t.Helper()
			if got := state(); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		wantState("at first", "done-000(finished) gone-000")
		s.FinishNamed("gone-000")
		wantState("with a document of the second", "done-000(finished) gone-000(finished)")

		s.Keep(archivetest.Workload, never("slow"))
		time.Sleep(time.Hour)
		wantState("with one that has failed once", "done-000(finished) gone-000(finished) slow")
		again := archivetest.KeptInstance{Job: "slow", Pod: "slow-y", Container: "main", Kind: archive.KindMain, At: 1, Open: true}
		s.Keep(archivetest.Workload, again)
		wantState("with one that tries again", "done-000(finished) gone-000(finished) slow(open)")
		again.Open = false
		s.Keep(archivetest.Workload, again)
		s.FinishNamed("slow")
		wantState("with one that has ended", "done-000(finished) gone-000(finished) slow(finished)")

		s.DeleteKeysWith("/done-000/")
		s.DeleteKeysWith("_index/day/2026-09-21/ns.gone-000.")
		wantState("with two deleted by hand, one without its index key", "done-000(finished) slow(finished)")
		time.Sleep(find.ListedFor)
		wantState("a minute later", "slow(finished)")
	})
}

// TestListsOfOpenJobsDoNotReadAgain: of a Job that runs, what may be new is listed; the pods that are sealed and the
// logs that another replica has sealed are not read again.
func TestListsOfOpenJobsDoNotReadAgain(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	if err := s.Journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	const listed, open, fixed = 4, 1, 6
	for name, r := range map[string]*read.Reader{"here": s.Reader, "elsewhere": s.Remote()} {
		first := jobs(t, r, archive.JobQuery{Until: archivetest.AtSecond(0)}, 100)
		if !strings.Contains(first, "run(open)") {
			t.Fatalf("%s: %q has no open Job", name, first)
		}
		gets, lists := s.Requests(func() {
			if again := jobs(t, r, archive.JobQuery{Until: archivetest.AtSecond(0)}, 100); again != first {
				t.Errorf("%s: listed again %q, want %q", name, again, first)
			}
		})
		// Three Jobs have just ended, so that a document may come.
		if gets > listed-open || lists > listed+fixed {
			t.Errorf("%s: one more list costs %d GETs and %d LISTs, want %d and %d at most", name, gets, lists, listed-open, listed+fixed)
		}
	}
}

// TestRetentionShowsInLists: what the retention deleted is in no list from then on.
func TestRetentionShowsInLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewMemory(t)
		l := archivetest.NewLife(t, "replica-0", t.TempDir(), store, 0)
		l.SealCreated(archivetest.OldPod, time.Now())
		time.Sleep(40 * archivetest.Day)
		young := archive.PodRef{Namespace: "ns", Job: "young", JobUID: "young-uid", Pod: "young-1", PodUID: "young-pod-1"}
		l.SealCreated(young, time.Now())
		r := read.New(find.Config{Store: store, Codec: archivetest.OneCodec})
		if got, want := jobs(t, r, archive.JobQuery{}, 100), "young(finished) old.job(finished)"; got != want {
			t.Fatalf("listed are %q, want %q", got, want)
		}
		if _, err := l.Sweep(retention.Config{}, store); err != nil {
			t.Fatal(err)
		}
		if got, want := jobs(t, r, archive.JobQuery{}, 100), "young(finished)"; got != want {
			t.Errorf("after the retention %q are listed, want %q", got, want)
		}
	})
}
