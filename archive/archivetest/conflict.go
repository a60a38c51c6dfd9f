package archivetest

import (
	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// HeldLog is what a replica holds of a log: its first lines, and a gap behind them or none.
type HeldLog struct {
	Lines int
	Gap   bool
}

func (r *Replica) Hold(lines []archive.Line, h HeldLog) *spool.Log {
	r.T.Helper()
	r.Append("main", lines[:h.Lines])
	log := OpenLog(r.T, r.Spool, Instance("main"))
	if h.Gap {
		log.Gap(archive.Gap{AfterLine: int64(h.Lines), Reason: archive.GapDeleted, Unproven: true})
	}
	return log
}
