package format

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// columns returns times of every kind, by name.
func columns() map[string][]int64 {
	random := rand.New(rand.NewPCG(3, 4))
	wild := make([]int64, 1000)
	for i := range wild {
		wild[i] = int64(random.Uint64())
	}
	even, back := make([]int64, 1000), make([]int64, 1000)
	for i := range even {
		even[i] = linetest.Base + int64(i)*1_000_000
		back[i] = linetest.Base - int64(i)*int64(i)*1_000
	}
	few := even[:fewTimes]
	return map[string][]int64{
		"none": nil, "one": {linetest.Base}, "few": few, "one more than few": even[:fewTimes+1], "even": even, "back": back, "wild": wild,
		"all equal": slices.Repeat([]int64{linetest.Base}, 500), "extremes": slices.Repeat([]int64{math.MinInt64, math.MaxInt64, 1}, 100),
	}
}

func TestColumnRoundTrip(t *testing.T) {
	c := testCodec(t)
	for name, times := range columns() {
		t.Run(name, func(t *testing.T) {
			got, err := c.decodeColumn(c.appendColumn(nil, linetest.Base, times), linetest.Base, int64(len(times)))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, times) {
				t.Errorf("got %d times %v..., want %d %v...", len(got), got[:min(len(got), 5)], len(times), times[:min(len(times), 5)])
			}
		})
	}
}

// TestColumnDamage: a column for another number of lines, or one that is cut or goes on, is an error and no panic.
func TestColumnDamage(t *testing.T) {
	c := testCodec(t)
	for _, name := range []string{"few", "even", "wild"} {
		times := columns()[name]
		column, lines := c.appendColumn(nil, linetest.Base, times), int64(len(times))
		for what, damaged := range map[string]func() ([]int64, error){
			"more lines":  func() ([]int64, error) { return c.decodeColumn(column, linetest.Base, lines+1) },
			"fewer lines": func() ([]int64, error) { return c.decodeColumn(column, linetest.Base, lines-1) },
			"goes on":     func() ([]int64, error) { return c.decodeColumn(append(slices.Clone(column), 1), linetest.Base, lines) },
		} {
			if _, err := damaged(); !errors.Is(err, archive.ErrDamaged) {
				t.Errorf("%s, %s: got %v, want ErrDamaged", name, what, err)
			}
		}
		for n := range len(column) {
			if _, err := c.decodeColumn(column[:n], linetest.Base, lines); !errors.Is(err, archive.ErrDamaged) {
				t.Fatalf("%s, cut at byte %d: got %v, want ErrDamaged", name, n, err)
			}
		}
	}
}
