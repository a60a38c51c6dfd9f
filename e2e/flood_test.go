//go:build e2e && bench

package e2e

import (
	"bytes"
	"slices"
	"strconv"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// TestFlood has a container write 1,000,000 lines of 100 bytes as fast as it can, three times. The kubelet looks at the
// sizes of logs every 10 s and rotates whatever has become too large, be that 1 MiB or many times 10.
func TestFlood(t *testing.T) {
	for _, name := range []string{"floods-1", "floods-2", "floods-3"} {
		t.Run(name, func(t *testing.T) {
			p := start(t, shared, shared.Job(name, "lines -n 1000000 -size 100"), 5*minute)
			pod := p.pod(stage.Over)
			m := p.manifest()
			ended := status(pod, "main").State.Terminated
			r := p.record(m, "main", 0)
			missing, seams := p.flooded(r, 1_000_000)
			t.Logf("written in %s, sealed %s later; %d lines kept, %d missing, of them %d at some of %d seams; verdict %s, gaps %+v",
				ended.FinishedAt.Sub(ended.StartedAt.Time), m.SealedAt.Sub(ended.FinishedAt.Time), r.Log.Lines, missing, seams, r.Seams, r.Verdict, r.Gaps)
		})
	}
}

// flooded checks the numbered lines: none twice, none out of order, and none missing but inside a gap or, at most once
// for each rotation, at its seam. The runtime may tear a line there, so that a gap begins or ends inside one.
func (p *play) flooded(r archive.InstanceRecord, written int64) (missing, seamed int64) {
	p.Helper()
	const seam = 4000 // 20 ms of 200,000 lines a second
	codec, err := format.NewCodec()
	if err != nil {
		p.Fatal(err)
	}
	last, n, seams, torn := int64(0), int64(0), int64(0), false
	step := func(next int64, inside bool) {
		skipped := next - last - 1
		if skipped == 0 {
			return
		}
		missing += skipped
		if inside {
			return
		}
		seams++
		if seamed += skipped; skipped < 0 || skipped > seam || seams > r.Seams {
			p.Errorf("line %d is followed by %d outside any gap of %+v", last, next, r.Gaps)
		}
	}
	err = archivetest.StoredLines(p.ctx, codec, p.Store, r.Log.Key, 0, func(l archive.Line) bool {
		inside := inGap(r.Gaps, n) || torn
		n++
		next, ok := numberOf(l)
		if torn = !ok; torn && !inside && !inGap(r.Gaps, n) {
			p.Errorf("line %d is %q, and no gap stands there", n, l.Text)
		}
		if ok {
			step(next, inside)
			last = next
		}
		return true
	})
	if err != nil {
		p.Fatal(err)
	}
	step(written+1, inGap(r.Gaps, n))
	return missing, seamed
}

// inGap: a gap may stand after so many lines.
func inGap(gaps []archive.Gap, lines int64) bool {
	return slices.ContainsFunc(gaps, func(g archive.Gap) bool { return g.AfterLine <= lines && lines <= max(g.AfterLine, g.ThroughLine) })
}

// numberOf returns the number in a line of the sample; not ok where the line is torn.
func numberOf(l archive.Line) (int64, bool) {
	fields := bytes.Fields(l.Text)
	if len(fields) != 3 || l.Partial || len(l.Text) != 99 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return n, err == nil
}
