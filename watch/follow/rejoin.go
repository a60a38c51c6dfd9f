package follow

import (
	"context"
	"errors"
	"fmt"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// Rejoin takes up what was read of the log while the journals could not be looked at: like an answer of the API, behind
// what the journals held. It waits for room, but not for long, for what lies aside takes some itself. ended: it reaches
// to the log's end.
//
// What lies aside goes when the log has it on disk. A crash before that has it compared again.
func (f *Follower) Rejoin(ctx context.Context) (ended bool, err error) {
	if err := f.recall(); err != nil {
		return false, err
	}
	aside, err := f.log.Aside()
	if aside == nil || err != nil {
		return false, err
	}
	for err = f.takeAside(ctx, aside); errors.Is(err, spool.ErrFull); err = f.takeAside(ctx, aside) {
		f.count.SpoolFull.Inc()
		limited, cancel := context.WithTimeout(ctx, roomWait)
		full := f.budget.Room(limited)
		cancel()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if full != nil {
			f.gapHere(archive.Gap{From: f.log.Summary().Last, Reason: archive.GapSpoolFull, Detail: "there was no room for lines that were read while the journals could not be looked at"})
			err = nil
			break
		}
	}
	if err == nil {
		err = f.log.Flush()
	}
	if err == nil {
		err = f.log.DropAside()
	}
	return aside.Ended(), err
}

// takeAside compares and appends the lines that lie aside.
func (f *Follower) takeAside(ctx context.Context, aside *spool.Log) (err error) {
	summary, from := aside.Summary(), since(f.resumeTime(f.log.Summary()))
	if f.overlap, err = newOverlap(f.log, place{since: from}); err != nil {
		return err
	}
	defer func() { f.overlap = nil; f.batch.clear() }()
	a := &answer{mine: true} // whose it was is proven already
	p := asidePlace{gaps: summary.Gaps, fresh: f.overlap == nil, met: from == 0}
	take := func(line archive.Line, index int) {
		var what fate
		if err == nil && index == 0 {
			err = f.graft(a, line)
		}
		if err == nil {
			what, err = f.fateOf(ctx, a, &line, index)
		}
		if err == nil && what == fresh {
			err = f.add(line)
		}
		err = errors.Join(err, f.append())
	}
	j := joiner{emit: take}
	held := aside.Held(0, func(line archive.Line) bool {
		f.asideGaps(&p, &j)
		p.line++
		// What is older is held, or lies where the journal has a gap; behind it everything counts, whatever the node's
		// clock said.
		if p.met = p.met || line.Time >= from; !p.met {
			return true
		}
		j.take(line)
		return err == nil
	})
	j.cut()
	if err = errors.Join(held, err); err != nil {
		return fmt.Errorf("take up what lies aside: %w", err)
	}
	if err := f.settleEarly(); err != nil {
		return err
	}
	f.asideGaps(&p, &j)
	for range summary.Rotations {
		f.log.Rotated()
	}
	// It was read from the start of its file, which is the one at the end where it was never rotated.
	if f.newest, err = begin(aside); err != nil {
		return &spoolError{err}
	}
	return f.countNewest()
}

// asidePlace is how far what lies aside has been taken up.
type asidePlace struct {
	gaps  []archive.Gap // that have not been met
	line  int64         // lines before
	fresh bool          // the log held nothing before
	met   bool          // a line as late as what is held has come
}

// asideGaps writes the gaps of this place. Those before the first new line are the journal's business, and so is the
// start.
func (f *Follower) asideGaps(p *asidePlace, j *joiner) {
	for len(p.gaps) > 0 && p.gaps[0].AfterLine <= p.line {
		g := p.gaps[0]
		p.gaps = p.gaps[1:]
		j.cut()
		if o := f.overlap; p.fresh || p.line > 0 && (o == nil && p.met || o != nil && (o.found || o.gapped)) {
			at := f.log.Summary().Lines
			if g.ThroughLine > 0 {
				g.ThroughLine += at - g.AfterLine
			}
			g.AfterLine = at
			f.gap(g)
		}
	}
}

func followError(i archive.Instance, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("follow %s: %w", i, err)
}
