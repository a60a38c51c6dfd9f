package archivetest

import (
	"errors"
	"math/rand/v2"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/read"
)

// Split appends lines with frames closed, flushed and journaled in between. At the end the journal has all of them.
func (s *Shelf) Split(r *rand.Rand, lines []archive.Line) {
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

func (s *Shelf) Compare(r *rand.Rand, where string, reader *read.Reader, lines []archive.Line) {
	s.T.Helper()
	for range 25 {
		q := RandomQuery(r, WholeJob, Instance("main"), lines)
		_, got := Read(s.T, reader, q)
		want := Limit(Oracle(lines, Instance("main"), q), q.LimitBytes)
		if diff := Different(got, want); diff != "" {
			s.T.Fatalf("%s, %d lines, %s: %s", where, len(lines), Describe(q), diff)
		}
	}
}
