package logql

import (
	"context"
	"iter"
)

// Direction is the order of entries by time.
type Direction int

// The orders. A metric query takes its entries in any.
const (
	Backward Direction = iota
	Forward
	AnyOrder
)

// Stream is the labels that lines share. It does not change. Two pointers with equal labels are one stream.
type Stream struct{ Labels Labels }

// Entry is one line.
type Entry struct {
	Time   int64  // ns since 1970
	Line   []byte // without the newline; good until the next entry is asked for
	Stream *Stream
	Meta   Labels // structured metadata; good until the next entry is asked for
}

// Ask is what entries are asked for.
type Ask struct {
	Matchers  []Matcher // all of them hold for the stream's labels
	From, To  int64     // ns since 1970: from <= time < to
	Direction Direction
	// Filter holds for every line that can be part of the answer. The source may leave it alone: the engine applies it
	// again.
	Filter LineFilter
	// Limit: so many entries are enough, since every entry that passes Filter is given. 0: that cannot be said.
	Limit int
}

// Source gives the entries of the caller. Its methods may be called once for each selector of a query, one after the
// other.
type Source interface {
	// Entries gives what is asked for, ordered by time in the direction asked for, ties in an order that is the same
	// each time. The first error ends it. It watches ctx, and may give a *CeilingError of its own for what it reads and
	// drops.
	Entries(ctx context.Context, ask Ask) iter.Seq2[Entry, error]
}

// Counter is a Source that can count lines without reading their text.
type Counter interface {
	Source
	// Runs gives the lines that the matchers ask for as runs, in any order. ok is false where that cannot be had: then
	// the entries are read. labels says what the answer is grouped by; the source declines where it cannot tell lines
	// apart by those. An error ends it.
	Runs(ctx context.Context, matchers []Matcher, labels Grouping, windows Windows) (runs iter.Seq2[Run, error], ok bool)
}

// Run is lines of one stream that lie in the same windows: a whole frame where windows.Whole says so, a line else.
type Run struct {
	Stream       *Stream
	Meta         Labels // of every line of the run, as far as the grouping asks for it
	Time         int64  // of any line of the run
	Lines, Bytes int64  // bytes of text, without newlines
}

// Grouping is the labels that a metric keeps.
type Grouping struct {
	Labels  []string
	Without bool // all labels but these; with no label, all labels there are
}

// Windows are the ranges of time that a metric query counts in: (step - Range, step] for each step.
type Windows struct {
	First int64 // the first step; ns since 1970, offset taken off
	Step  int64 // ns; > 0
	Steps int   // how many
	Range int64 // ns; > 0
}

// From and To bound what is in any window: from <= time < to.
func (w Windows) From() int64 { return w.First - w.Range + 1 }

// To is the end, which is in no window.
func (w Windows) To() int64 { return w.First + int64(w.Steps-1)*w.Step + 1 }

// span gives the steps whose windows hold a time: low <= step < high. Equal: none.
func (w Windows) span(at int64) (low, high int) {
	low64 := max(ceilDiv(at-w.First, w.Step), 0)
	high64 := min(ceilDiv(at+w.Range-w.First, w.Step), int64(w.Steps))
	if low64 >= high64 {
		return 0, 0
	}
	return int(low64), int(high64)
}

// Whole says that all times from low to high, both included, lie in the same windows. Lines with such times can be
// counted together.
func (w Windows) Whole(low, high int64) bool {
	a, b := w.span(low)
	c, d := w.span(high)
	if a == b && c == d { // Between two times that are in no window there can be one that is in some.
		return low == high || high < w.From() || low >= w.To() ||
			ceilDiv(low-w.First, w.Step) == ceilDiv(high-w.First, w.Step) && ceilDiv(low+w.Range-w.First, w.Step) == ceilDiv(high+w.Range-w.First, w.Step)
	}
	return a == c && b == d
}

func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}
