package process

import (
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// gcPercent is how far the heap may grow before the garbage of it is collected. Nearly all of the heap is what open
// logs keep, thousands of which may be open, and a line on its way makes no garbage: to collect twice as often as Go
// does by itself saves a fifth of the memory and costs next to no processor (docs/benchmarks.md, "Quiet logs").
const gcPercent = 50

// memoryShare is the part of the container's memory limit at which the collector works as hard as it must. A daemon
// that is killed for its memory reads hundreds of logs again.
const memoryShare = 0.9

// TuneCollector sets the garbage collector, as far as GOGC and GOMEMLIMIT do not. limit returns the container's, in
// bytes.
func TuneCollector(limit memlimit.Provider, log *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if _, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(limit)); err != nil {
		log.Debug("memory limit of the container is not known", "err", err)
	}
}
