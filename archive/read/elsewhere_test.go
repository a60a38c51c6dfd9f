package read_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/read"
)

// TestReadRightAfterAHandOver: until the next owner has journaled a pod its lines are in the journal of the replica
// that gave it away, and that one gives them.
func TestReadRightAfterAHandOver(t *testing.T) {
	s := archivetest.NewShelf(t)
	s.Append("main", archivetest.LinesTimedByNumber(10))
	sealed := archivetest.KeptInstance{Job: archivetest.Pod.Job, Pod: archivetest.Pod.Job + "-other", Container: "main", Kind: archive.KindMain, Verdict: archive.NeverStarted}.Instance()
	sealed.PodRef.Namespace, sealed.PodRef.JobUID = archivetest.Pod.Namespace, archivetest.Pod.JobUID
	if err := s.Sealer.Pod(t.Context(), &archive.Manifest{Pod: archive.PodSummary{PodRef: sealed.PodRef}}); err != nil {
		t.Fatal(err)
	}
	flush(t, s.Journal())
	if err := s.Spool.Release(archivetest.Pod.PodUID); err != nil {
		t.Fatal(err)
	}
	for _, target := range []archive.Target{
		archivetest.WholeJob, {Namespace: archivetest.Pod.Namespace, Pod: archivetest.Pod.Pod}, {Namespace: archivetest.Pod.Namespace, Job: archivetest.Pod.Job, JobUID: archivetest.Pod.JobUID},
	} {
		if _, got := archivetest.ReadWhole(t, s.Reader, archive.Query{Target: target}); len(got) != 10 {
			t.Errorf("%+v: %d lines, want 10", target, len(got))
		}
	}
	if _, err := s.Reader.Read(t.Context(), archive.Query{Target: archive.Target{Namespace: archivetest.Pod.Namespace, Job: "unknown"}}); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("a Job that nobody knows: %v, want ErrNotFound", err)
	}
}

// TestOlderOfAName: a name's newer Job, or newer pod without a Job, is open here, and the older one at another
// replica: by the name both are found.
func TestOlderOfAName(t *testing.T) {
	for _, test := range []struct {
		name         string
		older, newer archive.PodRef
		target       archive.Target
	}{
		{"Job", archive.PodRef{Namespace: "ns", Job: "run", JobUID: "old", Pod: "run-a", PodUID: "a"},
			archive.PodRef{Namespace: "ns", Job: "run", JobUID: "new", Pod: "run-b", PodUID: "b"}, archive.Target{Namespace: "ns", Job: "run"}},
		{"pod", archive.PodRef{Namespace: "ns", Pod: "bare", PodUID: "a"}, archive.PodRef{Namespace: "ns", Pod: "bare", PodUID: "b"},
			archive.Target{Namespace: "ns", Pod: "bare"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := archivetest.NewShelf(t)
			other := archivetest.NewReplica(t, t.TempDir(), s.Store)
			theirs := journal.New(journal.Config{Replica: "replica-1"}, s.Store, other.Spool, slog.New(slog.DiscardHandler), func(error) {})
			for r, ref := range map[*archivetest.Replica]archive.PodRef{other: test.older, s.Replica: test.newer} {
				i := archive.Instance{PodRef: ref, Container: "main", Kind: archive.KindMain, ContainerID: "containerd://" + string(ref.PodUID)}
				r.SaveDraft(archive.Manifest{Pod: archive.PodSummary{PodRef: ref, Phase: "Running"}, Instances: []archive.InstanceRecord{{Instance: i}}})
				r.Say(i, "a line")
			}
			flush(t, theirs)
			if _, got := archivetest.ReadWhole(t, s.Reader, archive.Query{Target: test.target}); len(got) != 2 {
				t.Errorf("%d lines, want one of each", len(got))
			}
			s.SealPod(archive.Instance{PodRef: test.newer, Container: "main", Kind: archive.KindMain, ContainerID: "containerd://b"})
			if _, got := archivetest.ReadWhole(t, s.Reader, archive.Query{Target: test.target}); len(got) != 2 {
				t.Errorf("with the newer one sealed: %d lines, want one of each", len(got))
			}
		})
	}
}

// TestFollowWaitsForASuspendedJob: the builder of a workload has its document, and the runner waits for its turn:
// nothing is known of that one here, and who follows the workload gets its lines all the same.
func TestFollowWaitsForASuspendedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		var waits atomic.Bool
		waits.Store(true)
		q := archive.Query{Target: archive.Target{Workload: archivetest.Workload}, More: waits.Load}
		s.Keep(archivetest.Workload, archivetest.KeptInstance{Job: "build", Pod: "build-x", Container: "main", Kind: archive.KindMain})
		s.FinishNamed("build")
		if a, err := s.Reader.Read(t.Context(), q); err != nil || a.Over {
			t.Errorf("over %v, %v, want more to come", a.Over, err)
		}
		f := follow(t.Context(), t, s.Reader, q, func() {})
		time.Sleep(time.Hour)
		runner := archivetest.KeptInstance{Job: "run", Pod: "run-x", Container: "main", Kind: archive.KindMain, At: 100}
		s.Keep(archivetest.Workload, runner)
		time.Sleep(time.Minute)
		waits.Store(false)
		s.FinishNamed("run")
		<-f.ended
		if len(f.entries) != 2 || f.err != nil {
			t.Errorf("%d lines, %v, want one of each Job", len(f.entries), f.err)
		}
	})
}

// TestJournalNamesDoNotComeAgain: a replica's journal is empty, the replica dies, and its next life's objects are
// others than those that a reader knows.
func TestJournalNamesDoNotComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := archivetest.NewJournalStore(t)
		reader := read.New(find.Config{Store: memory, Codec: archivetest.OneCodec})
		for life := range 3 {
			l := archivetest.NewLife(t, "replica-0", t.TempDir(), memory, 0)
			p := archivetest.PodNumber(life)
			l.Write(p, "main", archivetest.LinesTimedByNumber(5))
			l.Flush()
			if _, got := archivetest.ReadWhole(t, reader, archive.Query{Target: archive.Target{Namespace: p.Namespace, Pod: p.Pod}}); len(got) != 5 {
				t.Errorf("life %d: %d lines, want 5", life, len(got))
			}
			if err := l.SealPod(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			if err := l.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
				t.Fatal(err)
			}
			if left := archivetest.JournalKeys(memory); len(left) > 0 {
				t.Fatalf("life %d leaves %q, want nothing", life, left)
			}
			l.Spool.Still()
			time.Sleep(time.Second)
		}
	})
}
