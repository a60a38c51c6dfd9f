package sieve

import (
	"context"
	"errors"
	"iter"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/room"
)

// pick is one pass of a sieve over one holding.
type pick struct {
	*Sieve
	holding  Holding
	sections []format.Section
}

func newPick(s *Sieve, h Holding) *pick { return &pick{s, h, h.Sections()} }

// Run returns the entries of a holding. tail: only the last ones count, as Query.Tail says. It returns false where the
// consumer has had enough or an error that ends the answer was given.
func (s *Sieve) Run(ctx context.Context, h Holding, tail bool, yield func(archive.Entry, error) bool) bool {
	p := newPick(s, h)
	numbers := s.wanted(p.sections)
	back, err := room.Of(ctx).Frame(ctx, p.needs(numbers))
	if err != nil {
		yield(archive.Entry{}, err)
		return false
	}
	defer back()
	if s.recall && len(numbers) > 0 {
		if err := p.recallPending(ctx); err != nil {
			yield(archive.Entry{}, err)
			return false
		}
	}
	if tail {
		from, skip, err := p.tail(ctx, numbers, *s.Query.Tail)
		if err != nil {
			yield(archive.Entry{}, err)
			return false
		}
		numbers, s.skip = numbers[from:], skip
	}
	if err := p.pass(ctx, numbers, yield); err != nil {
		if !errors.Is(err, errEnough) {
			yield(archive.Entry{}, err)
		}
		return false
	}
	s.skip = 0
	return true
}

// errEnough says that the consumer wants no more.
var errEnough = errors.New("enough")

// pass reads the sections and lets their lines through.
func (p *pick) pass(ctx context.Context, numbers []int, yield func(archive.Entry, error) bool) error {
	left := false // the consumer wants no more; else whoever stops has met the context's end
	give := func(e archive.Entry, err error) bool {
		p.turn.back()
		if left = !yield(e, err); left {
			return false
		}
		return p.turn.take(ctx) == nil
	}
	defer p.turn.back()
	for f, err := range p.holding.Frames(ctx, numbers) {
		goOn := true
		if err == nil {
			goOn, err = p.frame(ctx, f, give)
			err = p.damage(f, err)
		}
		if err != nil {
			var d *archive.DamageError
			if !errors.As(err, &d) {
				return err
			}
			goOn = goOn && p.damaged(d, give)
		}
		p.turn.back() // the next frame may have to come from the store
		switch {
		case left:
			return errEnough
		case !goOn:
			return ctx.Err()
		case p.Done:
			return nil
		}
	}
	return ctx.Err()
}

// frame lets a frame through in the answer's turn.
func (p *pick) frame(ctx context.Context, f format.Piece, give func(archive.Entry, error) bool) (goOn bool, err error) {
	if p.turn.take(ctx) != nil {
		return false, nil
	}
	return p.piece(ctx, f, func() int64 {
		p.turn.back()
		at := p.timeBefore(ctx, f.FirstLine)
		_ = p.turn.take(ctx) // its end is met with the next line
		return at
	}, give)
}

// damage says of a frame that its lines are not what its head says.
func (p *pick) damage(f format.Piece, err error) error {
	if err == nil {
		return nil
	}
	return &archive.DamageError{
		Instance: *p.Instance, Frame: -1, AfterLine: f.FirstLine, Lines: int64(len(f.Times)), Err: err,
	}
}

// IsDamage reports whether an error is of damage (*archive.DamageError): it tells of lines that are lost, and the
// answer goes on behind them.
func IsDamage(err error) bool {
	var d *archive.DamageError
	return errors.As(err, &d)
}

// damaged tells of damage, once: lines that cannot be read count as seen then.
func (p *pick) damaged(d *archive.DamageError, yield func(archive.Entry, error) bool) bool {
	end := d.AfterLine + d.Lines
	if d.Lines > 0 && end <= p.Seen {
		return true
	}
	if end > p.Seen {
		p.Seen, p.raw, p.atKnown = end, -1, false
	}
	return yield(archive.Entry{}, d)
}

// PassOver counts all that the holding has as seen, so that the next one begins behind it: so many lines of the log,
// and bytes of their text; -1: not known. Where the query bounds times it looks for that of the last line.
func (s *Sieve) PassOver(ctx context.Context, h Holding, lines, raw int64) {
	newPick(s, h).passOver(ctx, lines, raw)
}

func (p *pick) passOver(ctx context.Context, lines, raw int64) {
	if p.Seen >= lines {
		return
	}
	if p.timed() {
		p.at, p.atKnown = p.timeBefore(ctx, lines), true
	}
	p.Seen, p.raw = lines, raw
}

// timeBefore returns the time of the line before the given number of lines, or of the last one before that has a time.
func (p *pick) timeBefore(ctx context.Context, lines int64) int64 {
	for n := len(p.sections) - 1; n >= 0; n-- {
		x := &p.sections[n]
		switch {
		case x.FirstLine >= lines || x.Timed && x.High == 0:
			continue
		case x.Timed && x.High < p.since:
			return x.High // as good as any time in it: all are too early
		case x.Timed && p.until != 0 && x.Low >= p.until:
			return x.Low
		}
		if at := p.lastTime(ctx, n, lines); at != 0 {
			return at
		}
	}
	return 0
}

func (p *pick) lastTime(ctx context.Context, n int, lines int64) (at int64) {
	for f, err := range p.holding.Frames(ctx, []int{n}) {
		if err != nil {
			continue // it is told where the lines are read
		}
		number := f.FirstLine
		_ = f.Lines(func(line archive.Line) bool {
			if number++; number <= lines && line.Time != 0 {
				at = line.Time
			}
			return number < lines
		})
	}
	return at
}

// tail finds where the last n entries begin: with which of the sections, and how many entries of these to pass over.
func (p *pick) tail(ctx context.Context, numbers []int, n int64) (from int, skip int64, err error) {
	if n == 0 {
		return len(numbers), 0, nil
	}
	total := int64(0)
	for from = len(numbers); from > 0 && total < n; {
		from--
		count, err := p.matches(ctx, numbers[from:from+1])
		if err != nil {
			return 0, 0, err
		}
		total += count
	}
	if p.grep != nil && p.grep.Before+p.grep.After > 0 {
		// From the n-th last match on there are n entries at least, and what stands before it counts only here.
		if total, err = p.entries(ctx, numbers[from:]); err != nil {
			return 0, 0, err
		}
	}
	return from, max(0, total-n), nil
}

// matches counts the lines of sections that go through without those around them.
func (p *pick) matches(ctx context.Context, numbers []int) (int64, error) {
	total := int64(0)
	for _, n := range numbers {
		x := &p.sections[n]
		if p.whole(x) {
			total += x.Lines
			continue
		}
		alone := p.alone()
		if alone.grep != nil {
			grep := *alone.grep
			grep.Before, grep.After = 0, 0
			alone.grep = &grep
		}
		count, err := alone.count(ctx, []int{n})
		if err != nil {
			return 0, err
		}
		total += count
	}
	return total, nil
}

// entries counts what goes through.
func (p *pick) entries(ctx context.Context, numbers []int) (int64, error) {
	alone := p.alone()
	return alone.count(ctx, numbers)
}

// alone returns a pick that counts and leaves this one as it is.
func (p *pick) alone() *pick {
	s := *p.Sieve
	s.budget, s.before, s.pending, s.skip, s.recall = &Budget{}, contextLines{}, 0, 0, false
	return &pick{&s, p.holding, p.sections}
}

func (p *pick) count(ctx context.Context, numbers []int) (n int64, err error) {
	err = p.pass(ctx, numbers, func(_ archive.Entry, err error) bool {
		if err == nil {
			n++
		}
		return true
	})
	return n, err
}

// Holding is what some place holds of one log at one moment. It is read by one goroutine.
type Holding interface {
	// Sections are those that are held, in order.
	Sections() []format.Section
	// Frames yields the frames of some of the sections, whose numbers ascend. After a *DamageError it goes on behind
	// the damage; any other error is the last thing it yields. A frame is good until the next one is asked for.
	Frames(ctx context.Context, numbers []int) iter.Seq2[format.Piece, error]
	// Close gives back what is held. No frame is good after it.
	Close()
}

// needs is how much memory it takes to read sections frame by frame: as one is stored, decoded, and what was not
// flushed beside.
func (p *pick) needs(numbers []int) int64 {
	var stored, largest int64
	for _, n := range numbers {
		x := &p.sections[n]
		stored += max(0, x.Bytes)
		largest = max(largest, x.Memory())
	}
	return 2*largest + min(stored, format.SmallestGet)
}
