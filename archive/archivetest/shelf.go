package archivetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// Shelf is a store, a spool and a reader of both.
type Shelf struct {
	*Replica
	Store  *storetest.Memory
	Faulty *storetest.Faulty
	Reader *read.Reader
}

// NewShelf returns a shelf with nothing in it. Its store can be made to fail, by Faulty.
func NewShelf(t *testing.T) *Shelf {
	t.Helper()
	memory := storetest.NewMemory(t)
	s := &Shelf{Store: memory, Faulty: &storetest.Faulty{Store: memory}}
	s.Replica = NewReplica(t, t.TempDir(), s.Faulty)
	s.Reader = read.New(find.Config{Store: s.Faulty, Codec: NewCodec(t), Spool: s.Spool, Replica: "replica-0"})
	return s
}

// Remote returns a reader that has nothing but the store.
func (s *Shelf) Remote() *read.Reader {
	return read.New(find.Config{Store: s.Faulty, Codec: OneCodec})
}

// Journal returns a new life of the journal of the shelf's replica.
func (s *Shelf) Journal() *journal.Journal {
	return journal.New(journal.Config{Replica: "replica-0"}, s.Faulty, s.Spool, slog.New(slog.DiscardHandler), func(error) {})
}

// SealPod seals the logs of some instances of one pod, and the pod.
func (s *Shelf) SealPod(instances ...archive.Instance) {
	s.T.Helper()
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: instances[0].PodRef, Phase: "Succeeded"}}
	for _, i := range instances {
		record, err := s.Sealer.Log(s.T.Context(), OpenLog(s.T, s.Spool, i))
		if err != nil {
			s.T.Fatal(err)
		}
		m.Instances = append(m.Instances, record)
	}
	if err := s.Sealer.Pod(s.T.Context(), m); err != nil {
		s.T.Fatal(err)
	}
}

// FinishJob keeps the document of the Job of Pod: no further pod comes.
func (s *Shelf) FinishJob() {
	s.T.Helper()
	if _, err := s.Sealer.Job(s.T.Context(), archive.PodRef{Namespace: Pod.Namespace, Job: Pod.Job, JobUID: Pod.JobUID}, &archive.JobDocument{
		Namespace: Pod.Namespace, Job: archive.JobSummary{Name: Pod.Job, UID: Pod.JobUID},
	}); err != nil {
		s.T.Fatal(err)
	}
}

// FinishNamed keeps the document of a Job of KeptInstances: no further pod comes.
func (s *Shelf) FinishNamed(job string) {
	s.T.Helper()
	d := &archive.JobDocument{Namespace: "ns", Job: archive.JobSummary{Name: job, UID: archive.JobUID(job + "-uid"), CreatedAt: AtSecond(0)}}
	if _, err := s.Sealer.Job(s.T.Context(), archive.PodRef{Namespace: "ns", Job: job, JobUID: archive.JobUID(job + "-uid")}, d); err != nil {
		s.T.Fatal(err)
	}
}

// KeepCancelled has the sealer keep the document of CancelledJob, made at that time.
func (s *Shelf) KeepCancelled(created time.Time) error {
	_, err := s.Sealer.Job(s.T.Context(), CancelledJob, &archive.JobDocument{
		Namespace: "ns", Job: archive.JobSummary{Name: CancelledJob.Job, UID: CancelledJob.JobUID, CreatedAt: created}, Workloads: []string{Workload},
	})
	return err
}

// PutJob puts what a list reads of a Job.
func (s *Shelf) PutJob(ref archive.PodRef, created time.Time) {
	s.T.Helper()
	text, err := json.Marshal(archive.JobDocument{Version: "v1", Namespace: ref.Namespace, Job: archive.JobSummary{Name: ref.Job, CreatedAt: created}, Pods: []archive.JobPod{{Name: ref.Job + "-x"}}})
	if err != nil {
		s.T.Fatal(err)
	}
	for key, body := range map[archive.Key]string{ref.DayIndexKey(created): "", ref.JobKey(): string(text)} {
		if err := s.Store.Put(s.T.Context(), key, strings.NewReader(body), archive.PutOptions{}); err != nil {
			s.T.Fatal(err)
		}
	}
}

// AppendInParts appends lines with frames closed, flushed and journaled in between. At the end the journal has all of
// them.
func (s *Shelf) AppendInParts(r *rand.Rand, lines []archive.Line) {
	s.T.Helper()
	log, journal := OpenLog(s.T, s.Spool, Instance("main")), s.Journal()
	for len(lines) > 0 {
		n := min(len(lines), 1+r.IntN(40))
		_, err := log.Append(lines[:n]...)
		lines = lines[n:]
		if r.IntN(3) == 0 {
			err = errors.Join(err, log.Flush())
		}
		if r.IntN(5) == 0 {
			err = errors.Join(err, log.CloseFrame())
		}
		if r.IntN(4) == 0 {
			err = errors.Join(err, journal.Flush(s.T.Context()))
		}
		if err != nil {
			s.T.Fatal(err)
		}
	}
	if r.IntN(2) == 0 {
		// The journal has them without the flush that it does itself, too.
		if err := log.Flush(); err != nil {
			s.T.Fatal(err)
		}
	}
	if err := journal.Flush(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
}

// AppendNowAndThen appends lines as a container does that writes now and then.
func (s *Shelf) AppendNowAndThen(r *rand.Rand, lines []archive.Line) {
	s.T.Helper()
	log, journal := OpenLog(s.T, s.Spool, Instance("main")), s.Journal()
	for len(lines) > 0 {
		n := min(len(lines), 1+r.IntN(20))
		_, err := log.Append(lines[:n]...)
		lines = lines[n:]
		switch r.IntN(6) {
		case 0:
			err = errors.Join(err, log.Flush())
		case 1:
			err = errors.Join(err, log.CloseFrame())
		case 2:
			err = errors.Join(err, journal.Flush(s.T.Context()))
		case 3, 4:
			time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
		}
		if err != nil {
			s.T.Fatal(err)
		}
	}
}

// Requests returns how many requests something costs.
func (s *Shelf) Requests(f func()) (gets, lists int) {
	gets, lists = s.Faulty.Count(storetest.OpGet).Requests, s.Faulty.Count(storetest.OpList).Requests
	f()
	return s.Faulty.Count(storetest.OpGet).Requests - gets, s.Faulty.Count(storetest.OpList).Requests - lists
}

// ListedNames returns the names of the Jobs of a list, and of the pods without one.
func (s *Shelf) ListedNames(r *read.Reader, q archive.JobQuery) (names []string) {
	s.T.Helper()
	q.Until = AtSecond(0)
	for job, err := range r.Jobs(s.T.Context(), q) {
		if err != nil {
			s.T.Fatal(err)
		}
		names = append(names, job.Job+job.Pod)
	}
	return names
}

// DeleteKeysWith deletes by hand the objects whose keys contain part.
func (s *Shelf) DeleteKeysWith(part string) {
	s.T.Helper()
	s.Store.MayReadDeleted = func(archive.Key) bool { return true }
	keys := KeysWith(s.Store, part)
	if len(keys) == 0 {
		s.T.Fatalf("no key has %q", part)
	}
	if err := s.Store.Delete(s.T.Context(), keys...); err != nil {
		s.T.Fatal(err)
	}
}

// ReadWhole returns an answer and all its entries, with texts of their own.
func ReadWhole(t testing.TB, r *read.Reader, q archive.Query) (*archive.Answer, []archive.Entry) {
	t.Helper()
	a, err := r.Read(t.Context(), q)
	if err != nil {
		t.Fatalf("Read(%+v): %v", q, err)
	}
	return a, EntriesOf(t, a)
}

// EntriesOf returns all entries of an answer, with texts of their own. An error in it fails the test.
func EntriesOf(t testing.TB, a *archive.Answer) []archive.Entry {
	t.Helper()
	var entries []archive.Entry
	for e, err := range a.Entries {
		if err != nil {
			t.Fatalf("Entries: %v", err)
		}
		e.Text = bytes.Clone(e.Text)
		entries = append(entries, e)
	}
	return entries
}
