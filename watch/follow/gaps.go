package follow

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// unserved writes the gap of an answer that did not show the last line held: up to a line of the given time, 0 for
// none. The file before may have been read to its end. Lines are known to be missing only where they came and found no
// room.
func (f *Follower) unserved(to int64) {
	from := f.tail.time()
	if f.overlap != nil {
		from = f.overlap.last
	}
	g := archive.Gap{
		AfterLine: f.log.Summary().Lines, From: from, To: to, Reason: f.reason, Unproven: f.reason != archive.GapSpoolFull,
		Detail: "the last line held was no longer served when reading went on",
	}
	// What an earlier process held last may be the start of one line and the end of another, of a later file to which
	// the kubelet's reader was taken.
	if g.AfterLine == f.recalled && g.AfterLine > 0 {
		g.AfterLine, g.ThroughLine = g.AfterLine-1, g.AfterLine
	}
	f.gap(g)
}

// gapHere writes a gap after the lines that are held now.
func (f *Follower) gapHere(g archive.Gap) {
	g.AfterLine = f.log.Summary().Lines
	f.gap(g)
}

// gap writes a gap, unless it lies in one of that reason already: a crash may come between a gap and what follows it,
// and the same place may be found twice.
func (f *Follower) gap(g archive.Gap) {
	for _, have := range f.log.Summary().Gaps {
		covers := have.AfterLine <= g.AfterLine && max(have.AfterLine, have.ThroughLine) >= max(g.AfterLine, g.ThroughLine)
		if covers && have.Reason == g.Reason {
			return
		}
	}
	f.log.Gap(g)
	f.count.Gaps.WithLabelValues(string(g.Reason)).Inc()
	f.slog.Warn("gap in log", "instance", f.log.Instance(), "after_line", g.AfterLine, "reason", g.Reason, "detail", g.Detail)
}

// reasonOf tells why the log of a pod went away.
func reasonOf(s pods.Sight) archive.GapReason {
	if s.Pod != nil {
		if s.Pod.Status.Reason == "Evicted" {
			return archive.GapEvicted
		}
		for _, c := range s.Pod.Status.Conditions {
			if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == "DeletionByPodGC" {
				return archive.GapNodeLost
			}
		}
		if s.Pod.Status.Reason == "NodeLost" {
			return archive.GapNodeLost
		}
	}
	switch {
	case s.Gone || s.Deleting:
		return archive.GapDeleted
	case !s.Current && !s.Previous:
		return archive.GapReplaced
	default:
		return archive.GapUnreachable
	}
}
