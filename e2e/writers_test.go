//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// EnvRounds is how many times each writer of TestWriters runs, one after the other. Where it is not set each runs once,
// and an unproven gap where nothing is missing is told and is no failure: whether one is left depends on how busy the
// node is.
const EnvRounds = "EPILOGUE_E2E_ROUNDS"

// writer is a kind of program that logs, above the size at which the kubelet rotates.
type writer struct {
	name, steps string
	mark        func(n int64) string // the text of mark n: a line of it, or a step of its bar
	end         byte                 // of a mark
}

func line(size int64) func(int64) string {
	return func(n int64) string { return marked("line", n, size) }
}

var writers = []writer{
	{"block-buffered", "lines -n 30000 -rate 1200 -size 100 -block 65536", line(100), '\n'},
	{"mixed", "lines -n 20000 -rate 500 -size 400 -mixed", func(n int64) string { return marked("line", n, 15+n*7919%386) }, '\n'},
	{"bursts", "lines -n 20000 -size 60 then sleep 3s then lines -n 20000 -size 60 -from 20001 then sleep 3s then " +
		"lines -n 20000 -size 60 -from 40001 then sleep 3s then lines -n 20000 -size 60 -from 60001 then sleep 3s then " +
		"lines -n 20000 -size 60 -from 80001", line(60), '\n'},
	{"silent-at-its-end", "lines -n 75000 -rate 25000 -size 60 then sleep 25s", line(60), '\n'},
	{"without-newlines", "bar -n 30000 -rate 1000 -size 50", func(n int64) string { return marked("step", n, 50) }, '\r'},
}

// marked spells a mark as the sample does, without what ends it.
func marked(word string, n, size int64) string {
	b := fmt.Appendf(nil, "%s %09d ", word, n)
	for c := byte(0); int64(len(b)) < size-1; c++ {
		b = append(b, 'a'+(c+byte(n))%26)
	}
	return string(b)
}

// TestWriters has programs write as they like, over rotations: whatever stands in the archive stands there once and in
// order; a log that is called complete is what its program wrote, byte for byte; lines are missing at a seam that is
// told of or inside a gap; and there is no gap where nothing is missing.
func TestWriters(t *testing.T) {
	t.Parallel()
	rounds, strict := 1, false
	if n, err := strconv.Atoi(os.Getenv(EnvRounds)); err == nil {
		rounds, strict = n, true
	}
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for round := range rounds {
				w.play(t, fmt.Sprintf("writes-%s-%d", w.name, round+1), strict)
			}
		})
	}
}

func (w writer) play(t *testing.T, name string, strict bool) {
	t.Helper()
	p := start(t, shared, shared.Job(name, w.steps), 5*minute)
	ended := status(p.pod(stage.Over), "main").State.Terminated
	truth, err := stage.TruthOf(ended)
	if err != nil {
		t.Fatal(err)
	}
	r := p.record(p.manifest(), "main", 0)
	if r.Log == nil {
		t.Fatalf("%s: got no log (%s: %s), want one of %d bytes", name, r.Verdict, r.Reason, truth.Bytes)
	}
	holes := w.holes(p, r, truth)
	held, err := p.Measured(p.ctx, r.Log.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: verdict %s, %d seams, gaps %+v; missing: %+v", name, r.Verdict, r.Seams, r.Gaps, holes)
	w.judge(p, r, holes, held == truth)
	for _, g := range r.Gaps {
		idle := !slices.ContainsFunc(holes, func(h hole) bool { return h.within(g) })
		switch {
		case idle && (strict || !g.Unproven):
			t.Errorf("%s: got gap %+v where nothing is missing, want none", name, g)
		case idle:
			t.Logf("%s: in doubt without need: %+v", name, g)
		}
	}
}

// judge holds the verdict against what is missing.
func (w writer) judge(p *play, r archive.InstanceRecord, holes []hole, whole bool) {
	p.Helper()
	p.calledRight(r)
	if r.Verdict == archive.Complete && !whole {
		p.Errorf("%s: got verdict %s, and missing are %+v", p.job, r.Verdict, holes)
	}
	if whole != (len(holes) == 0) {
		p.Errorf("%s: the sum says whole: %t, and the marks miss %+v", p.job, whole, holes)
	}
	silent := 0
	for _, h := range holes {
		if !slices.ContainsFunc(r.Gaps, h.within) {
			silent++
		}
	}
	if int64(silent) > r.Seams {
		p.Errorf("%s: got %d holes outside the gaps %+v and %d seams: %+v", p.job, silent, r.Gaps, r.Seams, holes)
	}
}

// hole is a place of a log at which marks are missing or torn: those between after and next, while its reader stood at
// or had just read the archive's lines from and to.
type hole struct {
	after, next int64
	from, to    int64
}

func (h hole) within(g archive.Gap) bool {
	return h.from <= max(g.AfterLine, g.ThroughLine) && g.AfterLine <= h.to
}

// holes reads the log's marks: none may stand twice or out of order.
func (w writer) holes(p *play, r archive.InstanceRecord, truth stage.Truth) []hole {
	p.Helper()
	codec, err := format.NewCodec()
	if err != nil {
		p.Fatal(err)
	}
	s := &sieve{writer: w, p: p}
	err = archivetest.StoredLines(p.ctx, codec, p.Store, r.Log.Key, 0, func(l archive.Line) bool {
		s.lines++
		s.take(l)
		return true
	})
	if err != nil {
		p.Fatal(err)
	}
	s.close(w.marks(truth))
	return s.holes
}

// marks is how many the program wrote.
func (w writer) marks(truth stage.Truth) int64 {
	var n int64
	for left := truth.Bytes; left > 0; n++ {
		left -= int64(len(w.mark(n+1))) + 1
	}
	return n
}

// sieve finds marks in lines, and what is missing between them.
type sieve struct {
	writer
	p           *play
	held        []byte // of a mark whose end has not come
	read        int64  // the line in which the last whole mark ended
	lines, last int64
	torn        bool
	holes       []hole
}

func (s *sieve) take(l archive.Line) {
	text := l.Text
	if !l.Partial {
		text = append(slices.Clone(text), '\n')
	}
	for {
		mark, rest, ok := bytes.Cut(text, []byte{s.end})
		s.held = append(s.held, mark...)
		if !ok {
			return
		}
		s.mark(string(s.held))
		s.held, text = s.held[:0], rest
	}
}

// mark takes one: whole, or torn by a hole.
func (s *sieve) mark(text string) {
	n, ok := int64(0), false
	if fields := bytes.Fields([]byte(text)); len(fields) >= 2 {
		n, _ = strconv.ParseInt(string(fields[1]), 10, 64)
		ok = n > 0 && s.writer.mark(n) == text
	}
	switch {
	case !ok:
		s.torn = true
		return
	case n <= s.last:
		s.p.Errorf("%s: mark %d follows %d in line %d, want each once and in order", s.p.job, n, s.last, s.lines)
	case n != s.last+1 || s.torn:
		s.holes = append(s.holes, hole{after: s.last, next: n, from: s.read, to: s.lines})
	}
	s.last, s.read, s.torn = n, s.lines, false
}

// close ends the log, of which so many marks were written.
func (s *sieve) close(written int64) {
	if s.last != written || s.torn || len(bytes.TrimRight(s.held, "\n")) > 0 {
		s.holes = append(s.holes, hole{after: s.last, next: written + 1, from: s.read, to: s.lines})
	}
}
