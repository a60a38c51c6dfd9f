package archive_test

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
)

// say appends one line to an instance's log.
func (r *replica) say(i archive.Instance, text string) {
	r.t.Helper()
	if _, err := openLog(r.t, r.spool, i).Append(archive.Line{Time: start, Text: []byte(text)}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) saveDraft(m archive.Manifest) {
	r.t.Helper()
	if err := r.spool.SaveDraft(&archive.Draft{Manifest: m}); err != nil {
		r.t.Fatal(err)
	}
}

func flush(t *testing.T, journals ...*archive.Journal) {
	t.Helper()
	for _, j := range journals {
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// waiting is a pod whose init container runs and whose main container waits for it, as a draft says it.
func waiting() (initial, main archive.Instance, draft archive.Manifest) {
	initial, main = instance("init"), instance("main")
	initial.Kind = archive.KindInit
	unstarted := main
	unstarted.ContainerID = ""
	return initial, main, archive.Manifest{Pod: archive.PodSummary{PodRef: pod, Phase: "Pending"}, Instances: []archive.InstanceRecord{
		{Instance: unstarted, Verdict: archive.NeverStarted, Reason: "PodInitializing"}, {Instance: initial},
	}}
}

// TestFollowBeforeAContainerStarts: who follows a pod while its init container runs, or from its end, gets every line
// of the container that starts later.
func TestFollowBeforeAContainerStarts(t *testing.T) {
	for _, tail := range []*int64{nil, new(int64(0)), new(int64(1))} {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(t)
			defer s.spool.Still()
			initial, main, draft := waiting()
			s.saveDraft(draft)
			s.say(initial, "init says something")
			flush(t, s.journal())
			q := archive.Query{Target: wholeJob, Tail: tail}
			followers := map[string]*follower{
				"here": follow(t.Context(), t, s.reader, q, func() {}), "elsewhere": follow(t.Context(), t, s.remote(), q, func() {}),
			}
			time.Sleep(time.Minute)
			draft.Instances = []archive.InstanceRecord{{Instance: initial}, {Instance: main}}
			s.saveDraft(draft)
			s.say(main, "main says something")
			s.say(main, "and something more")
			flush(t, s.journal())
			time.Sleep(time.Minute)
			s.sealPod(initial, main)
			s.finishJob()
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

// sealPod seals the logs of some instances of one pod, and the pod.
func (s *shelf) sealPod(instances ...archive.Instance) {
	s.t.Helper()
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: instances[0].PodRef, Phase: "Succeeded"}}
	for _, i := range instances {
		record, err := s.sealer.Log(s.t.Context(), openLog(s.t, s.spool, i))
		if err != nil {
			s.t.Fatal(err)
		}
		m.Instances = append(m.Instances, record)
	}
	if err := s.sealer.Pod(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

// TestNotStartedYet: what an open pod's draft calls never started is open, and read without an error; its reason is
// told.
func TestNotStartedYet(t *testing.T) {
	s := newShelf(t)
	initial, main, draft := waiting()
	s.saveDraft(draft)
	s.say(initial, "init says something")
	flush(t, s.journal())
	for name, r := range map[string]*archive.Reader{"here": s.reader, "elsewhere": s.remote()} {
		job, err := r.Job(t.Context(), pod.Namespace, pod.Job, "")
		if err != nil || !slices.Equal(job.Document.Pods[0].Verdicts, []archive.Verdict{"", ""}) {
			t.Errorf("%s: Job %+v, %v, want both logs open", name, job, err)
		}
		a, got := read(t, r, archive.Query{Target: wholeJob})
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
		s := newShelf(t)
		defer s.spool.Still()
		other := newReplica(t, t.TempDir(), s.store)
		defer other.spool.Still()
		theirs := archive.NewJournal(archive.JournalConfig{Replica: "replica-1"}, s.store, other.spool, slog.New(slog.DiscardHandler), func(error) {})
		ours := s.journal()
		begin := func(r *replica, job string) archive.Instance {
			t.Helper()
			i := kept{job: job, pod: job + "-x", container: "main", kind: archive.KindMain}.instance()
			r.saveDraft(archive.Manifest{
				Pod: archive.PodSummary{PodRef: i.PodRef, Phase: "Running"}, Workloads: []string{workload}, Instances: []archive.InstanceRecord{{Instance: i}},
			})
			r.say(i, "begins")
			return i
		}
		first := begin(s.replica, "first")
		ctx, stop := context.WithCancel(t.Context())
		f := follow(ctx, t, s.reader, archive.Query{Target: archive.Target{Workload: workload}}, func() {})
		synctest.Wait()
		second := begin(other, "second")
		const minutes = 10
		for n := range minutes {
			s.say(first, "more")
			other.say(second, "more")
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
	s := newShelf(t)
	defer s.spool.Still()
	talker, quiet, late, later := instance("talker"), instance("quiet"), instance("late"), instance("later")
	s.say(talker, "old")
	s.say(talker, "last")
	if tail == 0 {
		s.say(quiet, "old")
	}
	after := map[archive.LogID]int64{}
	q := archive.Query{Target: wholeJob, Tail: &tail, Begun: func(lines map[archive.LogID]int64) {
		for id, n := range lines {
			after[id] = max(after[id], n)
		}
	}}
	ctx, leave := context.WithCancel(t.Context())
	f := follow(ctx, t, s.reader, q, func() {})
	synctest.Wait()
	s.say(talker, "while it listened")
	openLog(t, s.spool, late)
	time.Sleep(time.Second)
	synctest.Wait()
	leave()
	<-f.ended
	for _, e := range f.entries {
		after[e.Instance.ID()] = e.Number
	}
	for _, i := range []archive.Instance{talker, quiet, late, later} {
		s.say(i, "while it was away")
	}
	q.After, q.Whole = after, true
	ctx, leave = context.WithCancel(t.Context())
	again := follow(ctx, t, s.reader, q, func() {})
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
