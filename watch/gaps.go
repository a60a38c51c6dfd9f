package watch

import "github.com/epilogue-dev/epilogue/archive"

// unserved writes the gap of an answer that did not show the last line held: up to a line of the given time, 0 for
// none. The file before may have been read to its end. Lines are known to be missing only where they came and found no
// room.
func (f *Follower) unserved(to int64) {
	f.gapHere(archive.Gap{
		From: f.overlap.last, To: to, Reason: f.reason, Unproven: f.reason != archive.GapSpoolFull,
		Detail: "the last line held was no longer served when reading went on",
	})
}

// gapHere writes a gap after the lines that are held now.
func (f *Follower) gapHere(g archive.Gap) {
	g.AfterLine = f.log.Summary().Lines
	f.gap(g)
}

// gap writes a gap, unless one of that reason stands there already: a crash may come between a gap and what follows it,
// and the same place may be found twice.
func (f *Follower) gap(g archive.Gap) {
	for _, have := range f.log.Summary().Gaps {
		if have.AfterLine == g.AfterLine && have.Reason == g.Reason && have.ThroughLine >= g.ThroughLine {
			return
		}
	}
	f.log.Gap(g)
	f.count.Gaps.WithLabelValues(string(g.Reason)).Inc()
	f.slog.Warn("gap in log", "instance", f.log.Instance(), "after_line", g.AfterLine, "reason", g.Reason, "detail", g.Detail)
}
