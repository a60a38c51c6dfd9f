package archive_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// fullShelf keeps finished Jobs, all of one day, Jobs without a document and pods without a Job.
func fullShelf(t *testing.T, finished, gone, bare int) *shelf {
	s := newShelf(t)
	for n := range finished {
		job := fmt.Sprintf("done-%03d", n)
		s.keep(workload, never(job))
		s.finish(job)
	}
	for n := range gone {
		s.keep(workload, never(fmt.Sprintf("gone-%03d", n)))
	}
	for n := range bare {
		name := fmt.Sprintf("bare-%03d", n)
		m := &archive.Manifest{Pod: archive.PodSummary{
			PodRef: archive.PodRef{Namespace: "ns", Pod: name, PodUID: archive.PodUID(name + "-uid")}, CreatedAt: second(0),
		}}
		if err := s.sealer.Pod(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// never is the only instance of a Job, which left no log.
func never(job string) kept {
	return kept{job: job, pod: job + "-x", container: "main", kind: archive.KindMain, verdict: archive.NeverStarted}
}

func (s *shelf) finish(job string) {
	s.t.Helper()
	d := &archive.JobDocument{Namespace: "ns", Job: archive.JobSummary{Name: job, UID: archive.JobUID(job + "-uid"), CreatedAt: second(0)}}
	if _, err := s.sealer.Job(s.t.Context(), archive.PodRef{Namespace: "ns", Job: job, JobUID: archive.JobUID(job + "-uid")}, d); err != nil {
		s.t.Fatal(err)
	}
}

// cost gives the requests that something costs.
func (s *shelf) cost(f func()) (gets, lists int) {
	gets, lists = s.faulty.Count(storetest.OpGet).Requests, s.faulty.Count(storetest.OpList).Requests
	f()
	return s.faulty.Count(storetest.OpGet).Requests - gets, s.faulty.Count(storetest.OpList).Requests - lists
}

// names gives the names of the Jobs of a list, and of the pods without one.
func (s *shelf) names(r *archive.Reader, q archive.JobQuery) (names []string) {
	s.t.Helper()
	q.Until = second(0)
	for job, err := range r.Jobs(s.t.Context(), q) {
		if err != nil {
			s.t.Fatal(err)
		}
		names = append(names, job.Job+job.Pod)
	}
	return names
}

// TestListsDoNotReadAgain: whoever asks for a list again and again costs a few listings, and no request for each Job.
func TestListsDoNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const finished, gone, bare = 60, 20, 20
		s := fullShelf(t, finished, gone, bare)
		time.Sleep(time.Hour) // whose Job has no document by now gets none
		var first []string
		gets, lists := s.cost(func() { first = s.names(s.reader, archive.JobQuery{}) })
		if len(first) != finished+gone+bare || gets < finished+gone+bare {
			t.Fatalf("the first list gives %d Jobs for %d GETs, want %d and one GET for each at least", len(first), gets, finished+gone+bare)
		}
		t.Logf("first list of %d Jobs: %d GETs, %d LISTs", len(first), gets, lists)
		for _, q := range []archive.JobQuery{{}, {Namespace: "ns"}, {Workload: workload}} {
			for range 20 {
				gets, lists := s.cost(func() { s.names(s.reader, q) })
				if gets > 0 || lists > 3 {
					t.Fatalf("one more list of %+v costs %d GETs and %d LISTs, want none and 3 at most", q, gets, lists)
				}
			}
		}
		if again := s.names(s.reader, archive.JobQuery{}); !slices.Equal(again, first) {
			t.Errorf("listed again: %q, want %q", again, first)
		}
		time.Sleep(archive.ListedFor)
		if gets, _ := s.cost(func() { s.names(s.reader, archive.JobQuery{}) }); gets < finished {
			t.Errorf("a minute later a list costs %d GETs: what is deleted by hand would be given for ever", gets)
		}
	})
}

// TestListsTellTheNews: what becomes of Jobs that were listed shows in the next list.
func TestListsTellTheNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fullShelf(t, 1, 1, 0)
		state := func() string { return jobs(t, s.reader, archive.JobQuery{Until: second(0)}, 100) }
		wantState := func(what, want string) {
			t.Helper()
			if got := state(); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		wantState("at first", "done-000(finished) gone-000")
		s.finish("gone-000")
		wantState("with a document of the second", "done-000(finished) gone-000(finished)")

		s.keep(workload, never("slow"))
		time.Sleep(time.Hour)
		wantState("with one that has failed once", "done-000(finished) gone-000(finished) slow")
		again := kept{job: "slow", pod: "slow-y", container: "main", kind: archive.KindMain, at: 1, open: true}
		s.keep(workload, again)
		wantState("with one that tries again", "done-000(finished) gone-000(finished) slow(open)")
		again.open = false
		s.keep(workload, again)
		s.finish("slow")
		wantState("with one that has ended", "done-000(finished) gone-000(finished) slow(finished)")

		s.deleteAll("/done-000/")
		s.deleteAll("_index/day/2026-09-21/ns.gone-000.")
		wantState("with two deleted by hand, one without its index key", "done-000(finished) slow(finished)")
		time.Sleep(archive.ListedFor)
		wantState("a minute later", "slow(finished)")
	})
}

// deleteAll deletes by hand.
func (s *shelf) deleteAll(part string) {
	s.t.Helper()
	s.store.MayReadDeleted = func(archive.Key) bool { return true }
	keys := keysWith(s.store, part)
	if len(keys) == 0 {
		s.t.Fatalf("no key has %q", part)
	}
	if err := s.store.Delete(s.t.Context(), keys...); err != nil {
		s.t.Fatal(err)
	}
}

// TestListsOfOpenJobsDoNotReadAgain: of a Job that runs, what may be new is listed; the pods that are sealed and the logs that another
// replica has sealed are not read again.
func TestListsOfOpenJobsDoNotReadAgain(t *testing.T) {
	s := shelfOfJobs(t)
	if err := s.journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	const listed, open, fixed = 4, 1, 6
	for name, r := range map[string]*archive.Reader{"here": s.reader, "elsewhere": s.remote()} {
		first := jobs(t, r, archive.JobQuery{Until: second(0)}, 100)
		if !strings.Contains(first, "run(open)") {
			t.Fatalf("%s: %q has no open Job", name, first)
		}
		gets, lists := s.cost(func() {
			if again := jobs(t, r, archive.JobQuery{Until: second(0)}, 100); again != first {
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
		l := newLife(t, "replica-0", t.TempDir(), store, 0)
		l.sealed(old, time.Now())
		time.Sleep(40 * day)
		young := archive.PodRef{Namespace: "ns", Job: "young", JobUID: "young-uid", Pod: "young-1", PodUID: "young-pod-1"}
		l.sealed(young, time.Now())
		r := archive.NewReader(archive.ReaderConfig{Store: store, Codec: oneCodec})
		if got, want := jobs(t, r, archive.JobQuery{}, 100), "young(finished) old.job(finished)"; got != want {
			t.Fatalf("listed are %q, want %q", got, want)
		}
		if _, err := l.sweep(archive.RetentionConfig{}, store); err != nil {
			t.Fatal(err)
		}
		if got, want := jobs(t, r, archive.JobQuery{}, 100), "young(finished)"; got != want {
			t.Errorf("after the retention %q are listed, want %q", got, want)
		}
	})
}
