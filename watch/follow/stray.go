package follow

import (
	"errors"

	"github.com/epilogue-dev/epilogue/archive"
)

// A file is served in its order. A line that is new and comes before one that is held was passed over when it was its
// turn, for the node's clock had been set back behind the time from which the log was asked for. What is held can only
// grow at its end: so such a line stands behind others that were written later, and a gap says from where to where the
// order is not that of the file.

// pass notes a held line that was met. Lines that are new and came before it are strays.
func (o *overlap) pass(hash uint64) {
	if len(o.early) > 0 || o.taken {
		o.strayed = true
		return
	}
	o.met, o.some = hash, true
}

// doubts reports whether a new line comes before the sentinel in an answer that was asked from a time. That may have
// hidden the sentinel, parts of this very line, or others before it: what is missing only the whole file shows.
func (o *overlap) doubts(a *answer) bool { return a.Since > 0 && !o.found && !o.gapped }

// forgetEarly forgets the lines that wait.
func (o *overlap) forgetEarly() {
	o.early = nil
	o.strayed = o.strayed && o.taken
}

// strays writes the gap in which the strays of an answer lie, with so many lines that are still to be appended.
func (f *Follower) strays(more int) error {
	o := f.overlap
	if o == nil || !o.strayed {
		return nil
	}
	after, err := f.lastMet(o)
	if err != nil {
		return err
	}
	f.gap(archive.Gap{
		AfterLine: after, ThroughLine: f.log.Summary().Lines + int64(more), Reason: archive.GapClock, Unproven: true,
		Detail: "the node's clock was set back, and lines were not served when it was their turn: they stand behind others, and some may be missing",
	})
	o.strayed, o.taken = false, more > 0
	return nil
}

// lastMet returns how many lines are held up to the one that was met last before a stray.
func (f *Follower) lastMet(o *overlap) (after int64, err error) {
	if !o.some {
		return o.place.after, nil
	}
	var n int64
	j := joiner{emit: func(piece archive.Line, _ int) {
		if piece.Hash() == o.met {
			after = n
		}
	}}
	err = f.log.Held(0, func(line archive.Line) bool {
		n++
		j.take(line)
		return true
	})
	return after, wrapSpool(err)
}

// orderly returns the place up to which lines of a file may stand of which the first record stands behind so many.
func (f *Follower) orderly(after int64) place {
	for _, g := range f.log.Summary().Gaps {
		if g.Reason == archive.GapClock && after < g.ThroughLine {
			after = min(after, g.AfterLine)
		}
	}
	return place{after: after}
}

// addEarly takes up the lines that waited for the sentinel.
func (f *Follower) addEarly() error {
	early := f.overlap.early
	if len(early) > 0 {
		if err := f.append(); err != nil {
			return err
		}
		if err := f.strays(len(early)); err != nil {
			return err
		}
		f.overlap.taken = true
	}
	f.overlap.early = nil
	for _, line := range early {
		if err := f.add(line); err != nil {
			return err
		}
	}
	return nil
}

// settleEarly decides on the lines that still wait when the answer has ended: the sentinel was not in it.
func (f *Follower) settleEarly() error {
	o := f.overlap
	if o == nil {
		return nil
	}
	if len(o.early) == 0 {
		return f.strays(0)
	}
	o.missed()
	f.unserved(o.early[0].Time)
	f.batch.clear()
	return errors.Join(f.addEarly(), f.append())
}
