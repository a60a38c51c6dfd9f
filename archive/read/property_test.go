package read_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/epilogue-dev/epilogue/archive/archivetest"
)

// TestAnyQueryOnAnySplit: wherever the lines of a log are, between frames, small frames and memory, in the journal or
// in a log object, a query gives what it gives of the plain lines.
func TestAnyQueryOnAnySplit(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(seed), 6))
			s := archivetest.NewShelf(t)
			lines := randomLog(r)
			s.AppendInParts(r, lines)
			s.CompareWithOracle(r, "live", s.Reader, lines)
			s.CompareWithOracle(r, "journal", s.Remote(), lines)
			if err := s.Seal(t.Context(), "main"); err != nil {
				t.Fatal(err)
			}
			s.CompareWithOracle(r, "sealed", s.Reader, lines)
			s.CompareWithOracle(r, "archive", s.Remote(), lines)
		})
	}
}
