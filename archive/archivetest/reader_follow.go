package archivetest

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

func (s *Shelf) FinishJob() {
	s.T.Helper()
	if _, err := s.Sealer.Job(s.T.Context(), archive.PodRef{Namespace: Pod.Namespace, Job: Pod.Job, JobUID: Pod.JobUID}, &archive.JobDocument{
		Namespace: Pod.Namespace, Job: archive.JobSummary{Name: Pod.Job, UID: Pod.JobUID},
	}); err != nil {
		s.T.Fatal(err)
	}
}

// Grow appends lines as a container does that writes now and then.
func (s *Shelf) Grow(r *rand.Rand, lines []archive.Line) {
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
