package sieve

import (
	"context"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// Sieve lets the lines of one log through that a query asks for. It goes on from one holding of the log to the next, so
// that each line goes through once.
type Sieve struct {
	Query    *archive.Query
	Instance *archive.Instance
	Seen     int64 // lines that went through, or were passed over: no line up to there comes again
	Done     bool  // no further line can be let through

	grep         *archive.Matcher // nil: every line
	since, until int64            // ns since 1970; until 0: no bound
	budget       *Budget
	turn         *Turn // to match; the answer's

	raw     int64 // bytes of the text of what was seen; -1: not known
	at      int64 // time of the line before, where that is known
	atKnown bool

	skip    int64 // entries that are not given: they stand before the tail
	pending int   // lines after a match that are still to be given
	recall  bool  // what is pending at the place from which the log is gone on with is not known yet
	before  contextLines
}

// Shared is what the sieves of all logs of one answer share.
type Shared struct {
	Grep    *archive.Matcher // nil: every line
	Budget  *Budget
	Turn    *Turn        // to match; nil where no expression is matched
	Context *ContextRoom // nil: each log is bounded alone
}

// New returns the sieve of one instance's log, from its first line on.
func New(q *archive.Query, i *archive.Instance, of Shared) *Sieve {
	return &Sieve{
		Query: q, Instance: i, grep: of.Grep, budget: of.Budget, turn: of.Turn, before: contextLines{room: of.Context},
		since: archive.Nanos(q.Since), until: archive.Nanos(q.Until), atKnown: true,
	}
}

// Needed returns the position from which lines are wanted: lines of the log, and bytes of their text; -1: not known. A
// line without a time needs the ones before it, and so do lines after a match that was had.
func (s *Sieve) Needed() (lines, raw int64) {
	if s.timed() && !s.atKnown || s.recall {
		return 0, 0
	}
	return s.Seen, s.raw
}

// Forget lets go of the lines before a match that may come. It is for a log of which no more is matched.
func (s *Sieve) Forget() { s.before.forget() }

// Budget is what of an answer may still be given.
type Budget struct {
	limited bool
	left    int64
}

// NewBudget returns what may be given of an answer: limit bytes of text with its newlines; 0 or less is no bound. All
// logs of the answer share it.
func NewBudget(limit int64) *Budget { return &Budget{limit > 0, limit} }

// Full reports whether nothing more fits.
func (b *Budget) Full() bool { return b.limited && b.left <= 0 }

// cut makes the entry fit.
func (b *Budget) cut(e *archive.Entry) {
	size := e.Size()
	if b.limited && size > b.left {
		e.Text, e.Partial = e.Text[:min(int64(len(e.Text)), b.left)], true
		size = int64(len(e.Text))
	}
	b.left -= size
}

// PassTo passes over the lines up to a number, and their text; -1: how much that is is not known.
func (s *Sieve) PassTo(lines, raw int64) {
	if lines > 0 {
		s.Seen, s.raw, s.atKnown = lines, raw, false
		s.recall = s.grep != nil && s.grep.After > 0
	}
}

// timed: the query bounds times.
func (s *Sieve) timed() bool { return s.since != 0 || s.until != 0 }

// wanted returns the sections that can hold a line that goes through.
func (s *Sieve) wanted(sections []format.Section) []int {
	var numbers []int
	// A line without a time at the start of a section counts as the last one before it: that may be in time where the
	// section itself is not.
	before := !s.atKnown || s.inTime(s.at)
	for n := range sections {
		x := &sections[n]
		within := before
		if !x.Timed || x.High != 0 {
			within = s.overlaps(x)
		}
		if (within || before) && s.may(x) {
			numbers = append(numbers, n)
		}
		before = within
	}
	return numbers
}

// inTime applies the bounds of times.
func (s *Sieve) inTime(at int64) bool { return at >= s.since && (s.until == 0 || at < s.until) }

// overlaps reports whether a time of the section can be in bounds.
func (s *Sieve) overlaps(x *format.Section) bool {
	return !x.Timed || x.High >= s.since && (s.until == 0 || x.Low < s.until)
}

// may reports whether a section can hold a line that goes through, whatever its times.
func (s *Sieve) may(x *format.Section) bool {
	q := s.Query
	switch {
	case x.Lines >= 0 && x.FirstLine+x.Lines <= s.Seen:
		return false
	case x.Lines >= 0 && q.FirstLine > 0 && x.FirstLine+x.Lines < q.FirstLine:
		return false
	case q.LastLine > 0 && x.FirstLine >= q.LastLine:
		return false
	case x.Offset >= 0 && (x.Offset+x.Bytes < q.FromByte || q.ToByte > 0 && x.Offset >= q.ToByte):
		// A section that ends where the bytes begin may have a last line without any.
		return false
	}
	return true
}

// whole reports whether every line of the section goes through, as far as that can be told without reading it.
func (s *Sieve) whole(x *format.Section) bool {
	q := s.Query
	return s.grep == nil && q.Find == nil && !s.timed() && x.Lines >= 0 && x.FirstLine >= s.Seen &&
		x.FirstLine+1 >= q.FirstLine && (q.LastLine == 0 || x.FirstLine+x.Lines <= q.LastLine) &&
		(q.FromByte == 0 && q.ToByte == 0 ||
			x.Offset >= 0 && x.Offset >= q.FromByte && (q.ToByte == 0 || x.Offset+x.Bytes < q.ToByte))
}

// piece lets a frame through. before gives the time of the line before it. It returns false where the consumer has had
// enough, or the context has ended.
func (s *Sieve) piece(ctx context.Context, p format.Piece, before func() int64, yield func(archive.Entry, error) bool) (goOn bool, err error) {
	if p.FirstLine > s.Seen {
		s.atKnown = false
	}
	if s.canLeap(p) {
		return s.leap(ctx, p, yield), nil
	}
	number, offset := p.FirstLine, p.Offset
	goOn = true
	err = p.Lines(func(line archive.Line) bool {
		e := archive.Entry{Line: line, Number: number + 1, Offset: offset, Instance: s.Instance}
		number++
		if offset >= 0 {
			offset += line.Size()
		}
		if number <= s.Seen {
			if line.Time != 0 { // of each frame that is passed over: the last one counts
				s.at, s.atKnown = line.Time, true
			}
			return true
		}
		s.Seen, s.raw = number, offset
		goOn = s.line(&e, before, yield) && s.turn.matched(ctx, len(line.Text)) == nil
		return goOn && !s.Done
	})
	s.before.detach()
	return goOn, err
}

// line lets one line through, or not.
func (s *Sieve) line(e *archive.Entry, before func() int64, yield func(archive.Entry, error) bool) bool {
	if s.timed() {
		s.clock(e, before)
	}
	if !s.inBounds(e) || s.timed() && !s.inTime(s.at) {
		return true
	}
	return s.match(e, yield)
}

// clock keeps the time of the line, or for one without a time that of the line before.
func (s *Sieve) clock(e *archive.Entry, before func() int64) {
	if e.Time != 0 {
		s.at = e.Time
	} else if !s.atKnown {
		s.at = before()
	}
	s.atKnown = true
}

// inBounds applies the bounds of lines and bytes, and cuts the line where it lies over one of the latter.
func (s *Sieve) inBounds(e *archive.Entry) bool {
	q := s.Query
	if q.LastLine > 0 && e.Number >= q.LastLine {
		s.Done = true
	}
	if e.Number < q.FirstLine || q.LastLine > 0 && e.Number > q.LastLine {
		return false
	}
	if q.FromByte == 0 && q.ToByte == 0 || e.Offset < 0 {
		return true
	}
	end := e.Offset + e.Size()
	if q.ToByte > 0 && e.Offset >= q.ToByte {
		s.Done = true
		return false
	}
	first, last := max(e.Offset, q.FromByte), end
	if q.ToByte > 0 {
		last = min(end, q.ToByte)
	}
	if first >= last && (end > e.Offset || e.Offset < q.FromByte) { // a line without any byte lies where its offset is
		return false
	}
	if q.ToByte > 0 && end > q.ToByte {
		e.Text, e.Partial = e.Text[:min(int64(len(e.Text)), q.ToByte-e.Offset)], true
	}
	if cut := q.FromByte - e.Offset; cut > 0 {
		e.Text, e.Offset = e.Text[min(cut, int64(len(e.Text))):], q.FromByte
	}
	return true
}

// match applies Grep, and gives the lines around.
func (s *Sieve) match(e *archive.Entry, yield func(archive.Entry, error) bool) bool {
	if s.grep == nil {
		return s.give(e, yield)
	}
	if s.grep.Picks(e.Text) {
		for _, c := range s.before.take() {
			if !s.give(&c, yield) {
				return false
			}
			if s.budget.Full() {
				return true
			}
		}
		s.pending = s.grep.After
		return s.give(e, yield)
	}
	e.Context = true
	if s.pending > 0 {
		s.pending--
		return s.give(e, yield)
	}
	s.before.add(e, s.grep.Before)
	return true
}

func (s *Sieve) give(e *archive.Entry, yield func(archive.Entry, error) bool) bool {
	if s.skip > 0 {
		s.skip--
		return true
	}
	s.budget.cut(e)
	if !yield(*e, nil) {
		return false
	}
	s.Done = s.Done || s.budget.Full()
	return true
}
