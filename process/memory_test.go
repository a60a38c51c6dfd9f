package process

import (
	"log/slog"
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestTuneCollector(t *testing.T) {
	const gib = 1 << 30
	limited := func() (uint64, error) { return gib, nil }
	free := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	unknown := func() (uint64, error) { return 0, memlimit.ErrNoCgroup }
	share := memoryShare
	for _, c := range []struct {
		name, gogc  string
		limit       memlimit.Provider
		wantPercent int
		wantLimit   int64
	}{
		{"the container has a limit", "", limited, gcPercent, int64(gib * share)},
		{"it has none", "", free, gcPercent, math.MaxInt64},
		{"nothing is known of it", "", unknown, gcPercent, 7 * gib},
		{"the environment decides", "300", limited, 77, int64(gib * share)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOGC", c.gogc)
			percent, limit := debug.SetGCPercent(77), debug.SetMemoryLimit(7*gib)
			TuneCollector(c.limit, slog.New(slog.DiscardHandler))
			gotPercent, gotLimit := debug.SetGCPercent(percent), debug.SetMemoryLimit(limit)
			if gotPercent != c.wantPercent || gotLimit != c.wantLimit {
				t.Errorf("got %d percent and a limit of %d bytes, want %d and %d", gotPercent, gotLimit, c.wantPercent, c.wantLimit)
			}
		})
	}
}
