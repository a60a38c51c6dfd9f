package archive_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestAnyQueryOnAnySplit: wherever the lines of a log are, between frames, small frames and memory, in the journal or in a log
// object, a query gives what it gives of the plain lines.
func TestAnyQueryOnAnySplit(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(seed), 6))
			s := newShelf(t)
			lines := randomLog(r)
			s.split(r, lines)
			s.compare(r, "live", s.reader, lines)
			s.compare(r, "journal", s.remote(), lines)
			if err := s.seal(t.Context(), "main"); err != nil {
				t.Fatal(err)
			}
			s.compare(r, "sealed", s.reader, lines)
			s.compare(r, "archive", s.remote(), lines)
		})
	}
}

// split appends lines with frames closed, flushed and journaled in between. At the end the journal has all of them.
func (s *shelf) split(r *rand.Rand, lines []archive.Line) {
	s.t.Helper()
	log, journal := openLog(s.t, s.spool, instance("main")), s.journal()
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
			err = errors.Join(err, journal.Flush(s.t.Context()))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if r.IntN(2) == 0 {
		// The journal has them without the flush that it does itself, too.
		if err := log.Flush(); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := journal.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) compare(r *rand.Rand, where string, reader *archive.Reader, lines []archive.Line) {
	s.t.Helper()
	for range 25 {
		q := randomQuery(r, wholeJob, instance("main"), lines)
		_, got := read(s.t, reader, q)
		want := limit(oracle(lines, instance("main"), q), q.LimitBytes)
		if diff := different(got, want); diff != "" {
			s.t.Fatalf("%s, %d lines, %s: %s", where, len(lines), describe(q), diff)
		}
	}
}
