package archivetest

import (
	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func (s *Shelf) Finish(job string) {
	s.T.Helper()
	d := &archive.JobDocument{Namespace: "ns", Job: archive.JobSummary{Name: job, UID: archive.JobUID(job + "-uid"), CreatedAt: Second(0)}}
	if _, err := s.Sealer.Job(s.T.Context(), archive.PodRef{Namespace: "ns", Job: job, JobUID: archive.JobUID(job + "-uid")}, d); err != nil {
		s.T.Fatal(err)
	}
}

// Cost gives the requests that something costs.
func (s *Shelf) Cost(f func()) (gets, lists int) {
	gets, lists = s.Faulty.Count(storetest.OpGet).Requests, s.Faulty.Count(storetest.OpList).Requests
	f()
	return s.Faulty.Count(storetest.OpGet).Requests - gets, s.Faulty.Count(storetest.OpList).Requests - lists
}

// Names gives the names of the Jobs of a list, and of the pods without one.
func (s *Shelf) Names(r *read.Reader, q archive.JobQuery) (names []string) {
	s.T.Helper()
	q.Until = Second(0)
	for job, err := range r.Jobs(s.T.Context(), q) {
		if err != nil {
			s.T.Fatal(err)
		}
		names = append(names, job.Job+job.Pod)
	}
	return names
}

// DeleteAll deletes by hand.
func (s *Shelf) DeleteAll(part string) {
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
