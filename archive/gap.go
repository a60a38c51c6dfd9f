package archive

import (
	"slices"
	"strings"
)

// GapReason says why lines could not be had. The values are a fixed set: they are a metric's label.
type GapReason string

// The reasons of gaps.
const (
	GapRotated     GapReason = "rotated"     // the kubelet no longer serves the file that held the lines
	GapUnreachable GapReason = "unreachable" // the log could not be read again before it went away
	GapDeleted     GapReason = "deleted"     // the pod was deleted before its end could be read and proven
	GapEvicted     GapReason = "evicted"     // the kubelet evicted the pod and removed its logs
	GapNodeLost    GapReason = "node-lost"   // the node went away
	// another instance stood under the name before this one was read to its end
	GapReplaced  GapReason = "replaced"
	GapSpoolFull GapReason = "spool-full" // the spool had no room
	GapLateStart GapReason = "late-start" // reading began after the start of the log was gone
	GapRestart   GapReason = "restart"    // the daemon was down when the end could have been read
	// the node's clock was set back, and they were not served when it was their turn
	GapClock   GapReason = "clock"
	GapDamaged GapReason = "damaged" // the spool's bytes were damaged on disk
)

// GapReasons are all reasons, for those who count them.
var GapReasons = []GapReason{
	GapRotated, GapUnreachable, GapDeleted, GapEvicted, GapNodeLost, GapReplaced, GapSpoolFull, GapLateStart, GapRestart, GapClock, GapDamaged,
}

// Gap is a place in a log where lines are missing, or where it could not be proven that none are.
type Gap struct {
	// AfterLine is the number of lines that are held before the gap: it lies between line AfterLine and the next one,
	// counted from 1. It equals the log's line count where the gap is at the end.
	AfterLine int64 `json:"afterLine"`
	// ThroughLine is not 0 where it is not known between which two lines the gap lies: somewhere after line AfterLine,
	// and no further down than after this one.
	ThroughLine int64 `json:"throughLine,omitempty"`
	// From and To are the times (ns since 1970) of the last line before the gap and of the first line after it; 0 where
	// there is none.
	From   int64     `json:"from,omitempty"`
	To     int64     `json:"to,omitempty"`
	Reason GapReason `json:"reason"`
	// Detail says in words what was seen.
	Detail string `json:"detail,omitempty"`
	// Unproven: no line is known to be missing, but that none is could not be proven.
	Unproven bool `json:"unproven,omitempty"`
	// More is the number of further gaps, up to To and ThroughLine, for which the list has no room. Only the last gap
	// of a list has any.
	More int64 `json:"more,omitempty"`
}

const (
	// MaxGaps bounds the gaps that a log lists one by one, so that a network that never holds still cannot make a
	// manifest too large to be read.
	MaxGaps = 1000
	// maxDetail bounds the bytes of a gap's detail, which may quote a stranger.
	maxDetail = 240
)

// AppendGap returns a list with the gap at its end, without changing the given one, which others may be reading. In a
// full list the last gap stands for all that follow.
func AppendGap(list []Gap, g Gap) []Gap {
	if len(g.Detail) > maxDetail {
		g.Detail = strings.ToValidUTF8(g.Detail[:maxDetail], "") + "..."
	}
	if len(list) < MaxGaps {
		return append(slices.Clip(list), g)
	}
	list = slices.Clone(list)
	last := &list[len(list)-1]
	last.More += 1 + g.More
	last.To = g.To
	last.ThroughLine = max(last.AfterLine, last.ThroughLine, g.AfterLine, g.ThroughLine)
	last.Unproven = last.Unproven && g.Unproven
	return list
}
