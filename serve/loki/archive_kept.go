package loki

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// This file makes of the archive's documents what this package knows of Jobs and logs.

func newJob(kept *archive.KeptJob) *keptJob {
	d := &kept.Document
	job := &keptJob{
		ref: kept.PodRef, created: nanos(d.Job.CreatedAt), open: kept.Open, state: stateOf(&d.Job), kind: d.Job.Labels["epilogue.dev/kind"],
	}
	if len(d.Workloads) > 0 {
		job.workload, job.run = d.Workloads[0], strings.Join(d.Workloads[1:], ",")
	}
	return job
}

// The states of a Job.
func stateOf(j *archive.JobSummary) string {
	switch {
	case j.End() == "Failed":
		return "failed"
	case j.End() == "Complete":
		return "succeeded"
	case !j.DeletedAt.IsZero():
		return "deleted"
	}
	return "running"
}

// add takes in one instance of a pod.
func (j *keptJob) add(m *archive.Manifest, r *archive.InstanceRecord, attempt int) *keptLog {
	if j.ref.Job == "" {
		switch m.Pod.Phase {
		case "Succeeded":
			j.state = "succeeded"
		case "Failed":
			j.state = "failed"
		}
	}
	l := &keptLog{job: j, instance: r.Instance, verdict: string(r.Verdict), attempt: attempt, from: math.MaxInt64, to: math.MinInt64}
	l.cover(nanos(r.State.StartedAt))
	l.cover(nanos(r.State.FinishedAt))
	switch {
	case r.Verdict == "":
		l.verdict, l.open, l.to = verdictOpen, true, math.MaxInt64
		if l.from == math.MaxInt64 {
			l.from = j.created
		}
	case r.Log != nil:
		l.key, l.size, l.sum, l.lines, l.bytes = r.Log.Key, r.Log.Size, r.Log.SHA256, r.Log.Lines, r.Log.Bytes
		l.from, l.to = nanos(r.Log.First), nanos(r.Log.Last)
		l.first, l.last = l.from, l.to
	}
	for i := range r.Gaps {
		l.note(noteOfGap(&r.Gaps[i], l))
	}
	if len(r.Gaps) == 0 && r.Verdict == archive.Lost || r.Verdict == archive.NeverStarted {
		at := max(nanos(r.State.FinishedAt), nanos(r.State.StartedAt))
		if at == 0 {
			at = max(nanos(m.Pod.StartedAt), nanos(m.Pod.CreatedAt), j.created)
		}
		kind := kindGap
		if r.Verdict == archive.NeverStarted {
			kind = string(r.Verdict)
		}
		l.note(note{at: at, kind: kind, reason: string(r.Verdict), text: fmt.Sprintf("%s: %s", r.Verdict, r.Reason)})
	}
	j.finish(l)
	return l
}

// noteOfGap gives the entry that stands for a gap. It stands behind the line before it, or before the one behind it.
func noteOfGap(g *archive.Gap, l *keptLog) note {
	at := g.From
	for _, other := range []int64{g.To, l.from} {
		if at == 0 && other != math.MaxInt64 {
			at = other
		}
	}
	text := "gap: lines are missing"
	if g.Unproven {
		text = "gap: lines may be missing"
	}
	switch {
	case g.ThroughLine > g.AfterLine:
		text += fmt.Sprintf(" somewhere after line %d and up to line %d", g.AfterLine, g.ThroughLine)
	case g.AfterLine == 0:
		text += " before the first line"
	default:
		text += fmt.Sprintf(" after line %d", g.AfterLine)
	}
	text += ": " + string(g.Reason)
	if g.Detail != "" {
		text += ": " + g.Detail
	}
	if g.More > 0 {
		text += " (and " + strconv.FormatInt(g.More, 10) + " more gaps)"
	}
	return note{at: at, after: g.AfterLine, kind: kindGap, reason: string(g.Reason), text: text}
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
