package archive

import "context"

// sieve lets the lines of one log through that a query asks for. It goes on from one holding of the log to the next, so that
// each line goes through once.
type sieve struct {
	query        *Query
	grep         *matcher // nil: every line
	since, until int64    // ns since 1970; until 0: no bound
	instance     *Instance
	budget       *budget
	turn         *turn // to match; the answer's

	seen    int64 // lines that went through, or were passed over: no line up to there comes again
	raw     int64 // bytes of their text; -1: not known
	at      int64 // time of the line before, where that is known
	atKnown bool
	done    bool // no further line can be let through

	skip    int64 // entries that are not given: they stand before the tail
	pending int   // lines after a match that are still to be given
	recall  bool  // what is pending at the place from which the log is gone on with is not known yet
	before  contextLines
}

// budget is what of an answer may still be given.
type budget struct {
	limited bool
	left    int64
}

func newBudget(limit int64) *budget { return &budget{limit > 0, limit} }

// full says that nothing more fits.
func (b *budget) full() bool { return b.limited && b.left <= 0 }

// cut has the entry fit.
func (b *budget) cut(e *Entry) {
	size := e.size()
	if b.limited && size > b.left {
		e.Text, e.Partial = e.Text[:min(int64(len(e.Text)), b.left)], true
		size = int64(len(e.Text))
	}
	b.left -= size
}

func (a *answering) sieve(i *Instance) *sieve {
	q := a.query
	s := &sieve{query: q, grep: a.grep, instance: i, budget: a.budget, turn: a.turn, atKnown: true, before: contextLines{room: &a.context}}
	s.since, s.until = nanos(q.Since), nanos(q.Until)
	s.passTo(q.After[i.ID()], -1)
	return s
}

// passTo passes over the lines up to a number, and their text; -1: how much that is is not known.
func (s *sieve) passTo(lines, raw int64) {
	if lines > 0 {
		s.seen, s.raw, s.atKnown = lines, raw, false
		s.recall = s.grep != nil && s.grep.After > 0
	}
}

// timed: the query bounds times.
func (s *sieve) timed() bool { return s.since != 0 || s.until != 0 }

// wanted gives the sections that can hold a line that goes through.
func (s *sieve) wanted(sections []section) []int {
	var numbers []int
	// A line without a time at the start of a section counts as the last one before it: that may be in time where the
	// section itself is not.
	before := !s.atKnown || s.inTime(s.at)
	for n := range sections {
		x := &sections[n]
		within := before
		if !x.timed || x.High != 0 {
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
func (s *sieve) inTime(at int64) bool { return at >= s.since && (s.until == 0 || at < s.until) }

// overlaps says whether a time of the section can be in bounds.
func (s *sieve) overlaps(x *section) bool {
	return !x.timed || x.High >= s.since && (s.until == 0 || x.Low < s.until)
}

// may says whether a section can hold a line that goes through, whatever its times.
func (s *sieve) may(x *section) bool {
	q := s.query
	switch {
	case x.Lines >= 0 && x.FirstLine+x.Lines <= s.seen:
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

// whole says that every line of the section goes through, as far as that can be told without reading it.
func (s *sieve) whole(x *section) bool {
	q := s.query
	return s.grep == nil && !s.timed() && x.Lines >= 0 && x.FirstLine >= s.seen &&
		x.FirstLine+1 >= q.FirstLine && (q.LastLine == 0 || x.FirstLine+x.Lines <= q.LastLine) &&
		(q.FromByte == 0 && q.ToByte == 0 ||
			x.Offset >= 0 && x.Offset >= q.FromByte && (q.ToByte == 0 || x.Offset+x.Bytes < q.ToByte))
}

// piece lets a frame through. before gives the time of the line before it. It returns false where the consumer has had
// enough, or the context has ended.
func (s *sieve) piece(ctx context.Context, p piece, before func() int64, yield func(Entry, error) bool) (goOn bool, err error) {
	if p.firstLine > s.seen {
		s.atKnown = false
	}
	if s.canLeap(p) {
		return s.leap(ctx, p, yield), nil
	}
	number, offset := p.firstLine, p.offset
	goOn = true
	err = p.lines(func(line Line) bool {
		e := Entry{Line: line, Number: number + 1, Offset: offset, Instance: s.instance}
		number++
		if offset >= 0 {
			offset += line.size()
		}
		if number <= s.seen {
			if line.Time != 0 { // of each frame that is passed over: the last one counts
				s.at, s.atKnown = line.Time, true
			}
			return true
		}
		s.seen, s.raw = number, offset
		goOn = s.line(&e, before, yield) && s.turn.matched(ctx, len(line.Text)) == nil
		return goOn && !s.done
	})
	s.before.detach()
	return goOn, err
}

// size is what the line takes in the log's text.
func (line *Line) size() int64 {
	if line.Partial {
		return int64(len(line.Text))
	}
	return int64(len(line.Text)) + 1
}

// line lets one line through, or not.
func (s *sieve) line(e *Entry, before func() int64, yield func(Entry, error) bool) bool {
	if s.timed() {
		s.clock(e, before)
	}
	if !s.inBounds(e) || s.timed() && !s.inTime(s.at) {
		return true
	}
	return s.match(e, yield)
}

// clock keeps the time of the line, or for one without a time that of the line before.
func (s *sieve) clock(e *Entry, before func() int64) {
	if e.Time != 0 {
		s.at = e.Time
	} else if !s.atKnown {
		s.at = before()
	}
	s.atKnown = true
}

// inBounds applies the bounds of lines and bytes, and cuts the line where it lies over one of the latter.
func (s *sieve) inBounds(e *Entry) bool {
	q := s.query
	if q.LastLine > 0 && e.Number >= q.LastLine {
		s.done = true
	}
	if e.Number < q.FirstLine || q.LastLine > 0 && e.Number > q.LastLine {
		return false
	}
	if q.FromByte == 0 && q.ToByte == 0 || e.Offset < 0 {
		return true
	}
	end := e.Offset + e.size()
	if q.ToByte > 0 && e.Offset >= q.ToByte {
		s.done = true
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
func (s *sieve) match(e *Entry, yield func(Entry, error) bool) bool {
	if s.grep == nil {
		return s.give(e, yield)
	}
	if s.grep.picks(e.Text) {
		for _, c := range s.before.take() {
			if !s.give(&c, yield) {
				return false
			}
			if s.budget.full() {
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

func (s *sieve) give(e *Entry, yield func(Entry, error) bool) bool {
	if s.skip > 0 {
		s.skip--
		return true
	}
	s.budget.cut(e)
	if !yield(*e, nil) {
		return false
	}
	s.done = s.done || s.budget.full()
	return true
}
