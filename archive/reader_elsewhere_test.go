package archive_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestReadRightAfterAHandOver: until the next owner has journaled a pod its lines are in the journal of the replica
// that gave it away, and that one gives them.
func TestReadRightAfterAHandOver(t *testing.T) {
	s := newShelf(t)
	s.append("main", numbered(10))
	sealed := kept{job: pod.Job, pod: pod.Job + "-other", container: "main", kind: archive.KindMain, verdict: archive.NeverStarted}.instance()
	sealed.PodRef.Namespace, sealed.PodRef.JobUID = pod.Namespace, pod.JobUID
	if err := s.sealer.Pod(t.Context(), &archive.Manifest{Pod: archive.PodSummary{PodRef: sealed.PodRef}}); err != nil {
		t.Fatal(err)
	}
	flush(t, s.journal())
	if err := s.spool.Release(pod.PodUID); err != nil {
		t.Fatal(err)
	}
	for _, target := range []archive.Target{
		wholeJob, {Namespace: pod.Namespace, Pod: pod.Pod}, {Namespace: pod.Namespace, Job: pod.Job, JobUID: pod.JobUID},
	} {
		if _, got := read(t, s.reader, archive.Query{Target: target}); len(got) != 10 {
			t.Errorf("%+v: %d lines, want 10", target, len(got))
		}
	}
	if _, err := s.reader.Read(t.Context(), archive.Query{Target: archive.Target{Namespace: pod.Namespace, Job: "unknown"}}); !errors.Is(err, archive.ErrNotFound) {
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
			s := newShelf(t)
			other := newReplica(t, t.TempDir(), s.store)
			theirs := archive.NewJournal(archive.JournalConfig{Replica: "replica-1"}, s.store, other.spool, slog.New(slog.DiscardHandler), func(error) {})
			for r, ref := range map[*replica]archive.PodRef{other: test.older, s.replica: test.newer} {
				i := archive.Instance{PodRef: ref, Container: "main", Kind: archive.KindMain, ContainerID: "containerd://" + string(ref.PodUID)}
				r.saveDraft(archive.Manifest{Pod: archive.PodSummary{PodRef: ref, Phase: "Running"}, Instances: []archive.InstanceRecord{{Instance: i}}})
				r.say(i, "a line")
			}
			flush(t, theirs)
			if _, got := read(t, s.reader, archive.Query{Target: test.target}); len(got) != 2 {
				t.Errorf("%d lines, want one of each", len(got))
			}
			s.sealPod(archive.Instance{PodRef: test.newer, Container: "main", Kind: archive.KindMain, ContainerID: "containerd://b"})
			if _, got := read(t, s.reader, archive.Query{Target: test.target}); len(got) != 2 {
				t.Errorf("with the newer one sealed: %d lines, want one of each", len(got))
			}
		})
	}
}

// TestFollowWaitsForASuspendedJob: the builder of a workload has its document, and the runner waits for its turn:
// nothing is known of that one here, and who follows the workload gets its lines all the same.
func TestFollowWaitsForASuspendedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.spool.Still()
		var waits atomic.Bool
		waits.Store(true)
		q := archive.Query{Target: archive.Target{Workload: workload}, More: waits.Load}
		s.keep(workload, kept{job: "build", pod: "build-x", container: "main", kind: archive.KindMain})
		s.finish("build")
		if a, err := s.reader.Read(t.Context(), q); err != nil || a.Over {
			t.Errorf("over %v, %v, want more to come", a.Over, err)
		}
		f := follow(t.Context(), t, s.reader, q, func() {})
		time.Sleep(time.Hour)
		runner := kept{job: "run", pod: "run-x", container: "main", kind: archive.KindMain, at: 100}
		s.keep(workload, runner)
		time.Sleep(time.Minute)
		waits.Store(false)
		s.finish("run")
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
		memory := journalMemory(t)
		reader := archive.NewReader(archive.ReaderConfig{Store: memory, Codec: oneCodec})
		for life := range 3 {
			l := newLife(t, "replica-0", t.TempDir(), memory, 0)
			p := podNumber(life)
			l.write(p, "main", numbered(5))
			l.flush()
			if _, got := read(t, reader, archive.Query{Target: archive.Target{Namespace: p.Namespace, Pod: p.Pod}}); len(got) != 5 {
				t.Errorf("life %d: %d lines, want 5", life, len(got))
			}
			if err := l.sealPod(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			if err := l.journal.Collect(t.Context(), nobody); err != nil {
				t.Fatal(err)
			}
			if left := journalKeys(memory); len(left) > 0 {
				t.Fatalf("life %d leaves %q, want nothing", life, left)
			}
			l.spool.Still()
			time.Sleep(time.Second)
		}
	})
}
