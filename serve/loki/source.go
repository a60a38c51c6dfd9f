package loki

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// source gives the entries of what one caller may read to one query. Owned by who evaluates it.
type source struct {
	catalogue *catalogue
	who       *asked
	now       time.Time
	// line numbers and true times are part of the metadata: of an answer that keeps them apart from the labels
	numbers bool

	lines, bytes int64 // that were read
}

// Entries gives the lines of the logs that are asked for, and the notes about them.
func (s *source) Entries(ctx context.Context, ask logql.Ask) iter.Seq2[logql.Entry, error] {
	return func(yield func(logql.Entry, error) bool) {
		logs, err := s.catalogue.find(ctx, s.who, ask.Matchers, ask.From, ask.To)
		if err != nil {
			yield(logql.Entry{}, err)
			return
		}
		g := &gathering{source: s, ask: &ask, form: former{numbers: s.numbers}}
		for _, l := range logs {
			g.logs = append(g.logs, wantedLog{l, l.matches(ask.Matchers, l.stream), l.matches(ask.Matchers, l.aside)})
		}
		if ask.Direction == logql.AnyOrder {
			g.anyOrder(ctx, yield)
			return
		}
		g.inOrder(ctx, yield)
	}
}

// wantedLog is a log of which lines are asked for, or notes, or both.
type wantedLog struct {
	*keptLog
	ofLines, ofNotes bool
}

// gathering is one answer of a source on its way.
type gathering struct {
	*source
	ask  *logql.Ask
	logs []wantedLog
	form former
}

// anyOrder gives log after log.
func (g *gathering) anyOrder(ctx context.Context, yield func(logql.Entry, error) bool) {
	for n := range g.logs {
		goOn := true
		err := g.scan(ctx, n, g.ask.From, g.ask.To, func(e *entry) bool {
			goOn = yield(g.form.entry(e), nil)
			return goOn
		})
		if err != nil {
			yield(logql.Entry{}, err)
			return
		}
		if !goOn {
			return
		}
	}
}

// entry is one line or note on its way to an answer.
type entry struct {
	at, view int64 // its time, and the one that it is shown with
	log      int   // in gathering.logs
	number   int64 // orders the entries of a log: twice the line's number, and one more for a note behind that line
	text     []byte
	note     *note // nil: a line
	kept     *keptLog
}

// scan gives the entries of one log with from <= time < to that pass the filter: lines, then notes. Their text is good
// until the next one.
func (g *gathering) scan(ctx context.Context, n int, from, to int64, take func(*entry) (goOn bool)) error {
	l := g.logs[n]
	stopped := false
	give := func(e *entry) bool {
		stopped = !take(e)
		return !stopped
	}
	notes := l.notes
	if l.ofLines && (l.lines > 0 || l.open) && from <= l.to && to > l.from {
		q := &span{from: from, to: to, damaged: func(d note) {
			d.at = max(d.at, g.ask.From) // it is told once, in the window that has this time
			notes = append(slices.Clip(notes), d)
		}}
		if g.ask.Filter.Searches() {
			q.find = g.ask.Filter.Find
		}
		err := g.catalogue.shelf.lines(ctx, l.keptLog, q, func(x *line) bool {
			g.source.lines++
			g.source.bytes += int64(len(x.text)) + 1
			return !g.ask.Filter.Pass(x.text) || give(&entry{at: x.at, view: x.at, log: n, number: 2 * x.number, text: x.text, kept: l.keptLog})
		})
		if err != nil {
			return err
		}
	}
	for i := range notes {
		x := &notes[i]
		wanted := l.ofNotes
		if x.kind == kindDamage { // what is asked for and cannot be read is told to whoever asks for it
			wanted = true
		}
		if stopped || !wanted || x.at < from || x.at >= to || !g.ask.Filter.Pass([]byte(x.text)) {
			continue
		}
		give(&entry{at: x.at, view: x.at, log: n, number: 2*x.after + 1, text: []byte(x.text), note: x, kept: l.keptLog})
	}
	return nil
}

// window gives the end, or with back the start, of a time within which the logs have so many lines, as far as that can
// be told without reading them: by how many each has between its first and its last.
func (g *gathering) window(from, to int64, lines float64, back bool) int64 {
	low, high := from, to // the window's other end lies between
	for high-low > int64(time.Millisecond) {
		middle := low + (high-low)/2
		a, b := from, middle
		if back {
			a, b = middle, to
		}
		if enough := g.expected(a, b) >= lines; enough == back {
			low = middle
		} else {
			high = middle
		}
	}
	if back {
		return low
	}
	return high
}

// expected is how many lines the logs have in a time, nearly.
func (g *gathering) expected(from, to int64) (lines float64) {
	for i := range g.logs {
		l := &g.logs[i]
		if !l.ofLines {
			lines += float64(len(l.notes))
			continue
		}
		first := l.from
		lines += float64(max(l.lines, 1)) * share(from, to, first, max(first, min(l.to, g.now.UnixNano())))
	}
	return lines
}

// bounds gives what of the asked times can have entries, so that no window is looked for where there is nothing.
func (g *gathering) bounds() (from, to int64) {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range g.logs {
		low, high = min(low, g.logs[i].from), max(high, g.logs[i].to)
	}
	if high < math.MaxInt64-2*int64(slack) {
		high += int64(slack) + 1
	}
	return max(g.ask.From, low), min(g.ask.To, high)
}
