package archivetest

import (
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// Cancelled is a Job that finished without ever having had a pod: one that was cancelled in the launcher's queue.
var Cancelled = archive.PodRef{Namespace: "ns", Job: "cancelled", JobUID: "uid"}

func (s *Shelf) Cancel(created time.Time) error {
	_, err := s.Sealer.Job(s.T.Context(), Cancelled, &archive.JobDocument{
		Namespace: "ns", Job: archive.JobSummary{Name: Cancelled.Job, UID: Cancelled.JobUID, CreatedAt: created}, Workloads: []string{Workload},
	})
	return err
}
