package read_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/read"
)

func flush(t *testing.T, journals ...*journal.Journal) {
	t.Helper()
	for _, j := range journals {
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// waiting is a pod whose init container runs and whose main container waits for it, as a draft says it.
func waiting() (initial, main archive.Instance, draft archive.Manifest) {
	initial, main = archivetest.Instance("init"), archivetest.Instance("main")
	initial.Kind = archive.KindInit
	unstarted := main
	unstarted.ContainerID = ""
	return initial, main, archive.Manifest{Pod: archive.PodSummary{PodRef: archivetest.Pod, Phase: "Pending"}, Instances: []archive.InstanceRecord{
		{Instance: unstarted, Verdict: archive.NeverStarted, Reason: "PodInitializing"}, {Instance: initial},
	}}
}

// TestFollowBeforeAContainerStarts: who follows a pod while its init container runs, or from its end, gets every line
// of the container that starts later.
func TestFollowBeforeAContainerStarts(t *testing.T) {
	for _, tail := range []*int64{nil, new(int64(0)), new(int64(1))} {
		synctest.Test(t, func(t *testing.T) {
			s := archivetest.NewShelf(t)
			defer s.Spool.Still()
			initial, main, draft := waiting()
			s.SaveDraft(draft)
			s.Say(initial, "init says something")
			flush(t, s.Journal())
			q := archive.Query{Target: archivetest.WholeJob, Tail: tail}
			followers := map[string]*follower{
				"here": follow(t.Context(), t, s.Reader, q, func() {}), "elsewhere": follow(t.Context(), t, s.Remote(), q, func() {}),
			}
			time.Sleep(time.Minute)
			draft.Instances = []archive.InstanceRecord{{Instance: initial}, {Instance: main}}
			s.SaveDraft(draft)
			s.Say(main, "main says something")
			s.Say(main, "and something more")
			flush(t, s.Journal())
			time.Sleep(time.Minute)
			s.SealPod(initial, main)
			s.FinishJob()
			want := 3
			if tail != nil {
				want = 2 + int(*tail)
			}
			for name, f := range followers {
				<-f.ended
				if len(f.entries) != want || f.err != nil {
					t.Errorf("%s: %d lines (%v), want %d", name, len(f.entries), f.err, want)
				}
				for _, e := range f.entries {
					if e.Instance.ContainerID == "" {
						t.Errorf("%s: a line of %s does not name its container", name, e.Instance)
					}
				}
			}
		})
	}
}

// TestNotStartedYet: what an open pod's draft calls never started is open, and read without an error; its reason is
// told.
func TestNotStartedYet(t *testing.T) {
	s := archivetest.NewShelf(t)
	initial, main, draft := waiting()
	s.SaveDraft(draft)
	s.Say(initial, "init says something")
	flush(t, s.Journal())
	for name, r := range map[string]*read.Reader{"here": s.Reader, "elsewhere": s.Remote()} {
		job, err := r.Job(t.Context(), archivetest.Pod.Namespace, archivetest.Pod.Job, "")
		if err != nil || !slices.Equal(job.Document.Pods[0].Verdicts, []archive.Verdict{"", ""}) {
			t.Errorf("%s: Job %+v, %v, want both logs open", name, job, err)
		}
		a, got := archivetest.ReadWhole(t, r, archive.Query{Target: archivetest.WholeJob})
		if len(got) != 1 || a.Over {
			t.Errorf("%s: %d lines, over %v, want one line and more to come", name, len(got), a.Over)
		}
		for _, l := range a.Logs {
			if l.Container == main.Container && (l.Verdict != "" || l.Reason != "PodInitializing") {
				t.Errorf("%s: main has verdict %q for %q, want it open, and why", name, l.Verdict, l.Reason)
			}
		}
	}
}

// TestFollowWorkloadOfTwoReplicas: of a workload's two Jobs each is another replica's. Who follows it at the first
// one's has the second one's lines some seconds after they were written.
func TestFollowWorkloadOfTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		other := archivetest.NewReplica(t, t.TempDir(), s.Store)
		defer other.Spool.Still()
		theirs := journal.New(journal.Config{Replica: "replica-1"}, s.Store, other.Spool, slog.New(slog.DiscardHandler), func(error) {})
		ours := s.Journal()
		begin := func(r *archivetest.Replica, job string) archive.Instance {
			t.Helper()
			i := archivetest.KeptInstance{Job: job, Pod: job + "-x", Container: "main", Kind: archive.KindMain}.Instance()
			r.SaveDraft(archive.Manifest{
				Pod: archive.PodSummary{PodRef: i.PodRef, Phase: "Running"}, Workloads: []string{archivetest.Workload}, Instances: []archive.InstanceRecord{{Instance: i}},
			})
			r.Say(i, "begins")
			return i
		}
		first := begin(s.Replica, "first")
		ctx, stop := context.WithCancel(t.Context())
		f := follow(ctx, t, s.Reader, archive.Query{Target: archive.Target{Workload: archivetest.Workload}}, func() {})
		synctest.Wait()
		second := begin(other, "second")
		const minutes = 10
		for n := range minutes {
			s.Say(first, "more")
			other.Say(second, "more")
			flush(t, ours, theirs)
			time.Sleep(time.Minute)
			synctest.Wait()
			got := map[string]int{}
			for _, e := range f.entries {
				got[e.Instance.Job]++
			}
			if want := map[string]int{"first": n + 2, "second": n + 2}; !maps.Equal(got, want) {
				t.Fatalf("after %d minutes: lines of each Job %v, want %v", n+1, got, want)
			}
		}
		stop()
		<-f.ended
	})
}

// TestFollowerKnowsWhereItBegan: with where its logs began, the numbers of the lines that it had and nothing else a
// follower goes on, also of logs of which it had no line, and of those that came while it was away.
func TestFollowerKnowsWhereItBegan(t *testing.T) {
	for _, tail := range []int64{0, 1} {
		t.Run(fmt.Sprint(tail), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { goOnFromTheEnd(t, tail) })
		})
	}
}

func goOnFromTheEnd(t *testing.T, tail int64) {
	s := archivetest.NewShelf(t)
	defer s.Spool.Still()
	talker, quiet, late, later := archivetest.Instance("talker"), archivetest.Instance("quiet"), archivetest.Instance("late"), archivetest.Instance("later")
	s.Say(talker, "old")
	s.Say(talker, "last")
	if tail == 0 {
		s.Say(quiet, "old")
	}
	after := map[archive.LogID]int64{}
	q := archive.Query{Target: archivetest.WholeJob, Tail: &tail, Begun: func(lines map[archive.LogID]int64) {
		for id, n := range lines {
			after[id] = max(after[id], n)
		}
	}}
	ctx, leave := context.WithCancel(t.Context())
	f := follow(ctx, t, s.Reader, q, func() {})
	synctest.Wait()
	s.Say(talker, "while it listened")
	archivetest.OpenLog(t, s.Spool, late)
	time.Sleep(time.Second)
	synctest.Wait()
	leave()
	<-f.ended
	for _, e := range f.entries {
		after[e.Instance.ID()] = e.Number
	}
	for _, i := range []archive.Instance{talker, quiet, late, later} {
		s.Say(i, "while it was away")
	}
	q.After, q.Whole = after, true
	ctx, leave = context.WithCancel(t.Context())
	again := follow(ctx, t, s.Reader, q, func() {})
	time.Sleep(time.Second)
	synctest.Wait()
	leave()
	<-again.ended
	got := map[string]int{}
	for _, e := range again.entries {
		if string(e.Text) != "while it was away" {
			t.Errorf("got %q of %s, which came before", e.Text, e.Instance)
		}
		got[e.Instance.Container]++
	}
	if want := map[string]int{"talker": 1, "quiet": 1, "late": 1, "later": 1}; !maps.Equal(got, want) {
		t.Errorf("lines that came while it was away: %v, want %v", got, want)
	}
}
