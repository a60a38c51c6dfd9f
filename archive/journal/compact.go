package journal

import (
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// A log that stays open for long would be spread over ever more objects: each interval in which it had a line adds one,
// which stays until the pod is sealed, and a takeover would have to read them all. So its frames are written again,
// side by side, into the object that is due anyway, and those that held them are garbage.
//
// The frames of a log fall into segments of half an object. A segment that is complete is written once more at most,
// and then stays; the one that grows is written again when there are too many objects and a fair part of it is new. So
// a log of n bytes is spread over about n / (MaxObject / 2) objects and those of the newest segment, and each byte is
// written a few times.
//
// A crash leaves the old objects beside the new one, or without it; a takeover takes every frame from the newest object
// that has it.

// journaled says how far a log is journaled and in which objects.
type journaled struct {
	at     spool.Position
	tails  []*journalObject // hold small frames only, which the next whole frame makes needless
	tail   spread           // of those
	pinned []*journalObject // needed until the pod is sealed

	// The segment that grows.
	base  int              // whole frames before it
	grown []*journalObject // hold its whole frames
	whole spread           // of those
}

// cut is what of a log goes into an object.
type cut struct {
	*spool.Cut
	againFrames bool // the whole frames of the last segment are journaled already
	againTail   bool // the small frames, too
}

// spread says how what is held by some objects lies in them.
type spread struct {
	kept  int64 // bytes that stand side by side in the first of them
	fresh int64 // bytes in the others
}

// due: there are too many objects, and a fair part is new, or there are far too many.
func (s spread) due(objects, compact int) bool {
	return objects > compact && (s.fresh*freshPart >= s.kept || objects > mostSpread*compact)
}

const (
	// freshPart: what stands side by side is written again when that part of it is new.
	freshPart = 4
	// mostSpread times Compact is over how many objects it may be spread at most, however little is new.
	mostSpread = 16
	// fewObjects are not worth to be made one.
	fewObjects = 8
)

// again returns from where a log is to be cut next: from what is journaled on, or from earlier where its frames are
// written again.
func (t *journaled) again(compact int, half int64) (from spool.Position, frames, tail bool) {
	from = t.at
	large := t.whole.kept+t.whole.fresh >= half
	if t.whole.due(len(t.grown), compact) || large && len(t.grown) > fewObjects {
		return from.After(t.base), true, true
	}
	if t.tail.due(len(t.tails), compact) {
		return from.After(from.Frames()), false, true
	}
	return from, false, false
}

// hold counts an object that holds a cut of the log.
func (t *journaled) hold(o *journalObject, c *cut, half int64) {
	t.at = c.To
	o.uses++
	if c.Size > 0 || c.againTail { // a whole frame holds all that .tail held before
		release(t.tails)
		t.tails, t.tail = nil, spread{kept: c.TailSize}
	}
	switch {
	case c.Size > 0 && c.againFrames:
		release(t.grown)
		t.grown, t.whole = []*journalObject{o}, spread{kept: c.Size}
	case c.Size > 0:
		t.grown = append(t.grown, o)
		t.whole.fresh += c.Size
	case c.Ended || c.Record != nil:
		t.pinned = append(t.pinned, o)
	default:
		if t.tails = append(t.tails, o); !c.againTail {
			t.tail.fresh += c.TailSize
		}
		return
	}
	// writing the frames again must not let go of what says that it ended
	if (c.Ended || c.Record != nil) && c.Size > 0 {
		o.uses++
		t.pinned = append(t.pinned, o)
	}
	if t.whole.kept+t.whole.fresh >= half && len(t.grown) <= fewObjects {
		t.pinned = append(t.pinned, t.grown...)
		t.base, t.grown, t.whole = c.To.Frames(), nil, spread{}
	}
}

// letGo needs none of the objects any more.
func (t *journaled) letGo() {
	release(t.tails)
	release(t.grown)
	release(t.pinned)
}

func release(objects []*journalObject) {
	for _, o := range objects {
		o.uses--
	}
}
