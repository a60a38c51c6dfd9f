package journal

import (
	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// Place is a part of a journal object.
type Place struct {
	Key archive.Key
	format.JournalPart
}

// Chain is what one life has journaled of a log.
type Chain struct {
	Instance archive.Instance
	Epoch    int64 // the highest of those in which it was written
	Runs     []Taken
	Lines    int64 // of the log at the end
	Ended    bool
	Record   *Place

	life string
	copy int64 // tells apart the copies of the log that the life had one after the other
}

// Taken is a run of frames in an object.
type Taken struct {
	Key archive.Key
	format.JournalFrames
	ToTail bool // the frames go to .tail, else to .log
}

// add takes an entry in. A whole frame makes the small frames needless that hold its lines, and frames that were
// written again those that they are copies of: the runs stay in the order of their lines, and that is the order of the
// objects, too.
func (c *Chain) add(object archive.Key, epoch int64, e *format.JournalLog) {
	c.Epoch = max(c.Epoch, epoch)
	c.Lines, c.Ended = max(c.Lines, e.Lines), c.Ended || e.Ended
	if e.Record != nil {
		c.Record = &Place{object, *e.Record}
	}
	for _, f := range e.Frames {
		n := len(c.Runs)
		for n > 0 && c.Runs[n-1].heldAgain(&f) {
			n--
		}
		c.Runs = c.Runs[:n]
		c.Runs = append(c.Runs, Taken{Key: object, JournalFrames: f})
	}
}

// heldAgain: a later run holds what this one holds. Frames of gaps alone at its very start may stand before it.
func (r *Taken) heldAgain(f *format.JournalFrames) bool {
	before := r.Lines == 0 && r.FirstLine == f.FirstLine
	if !r.Whole {
		return r.FirstLine >= f.FirstLine && (f.Whole || !before)
	}
	return f.Whole && r.FirstLine >= f.FirstLine && r.FirstLine+r.Lines <= f.FirstLine+f.Lines && !before
}

// Held counts the lines that the chain's runs hold, each once.
func (c *Chain) Held() (lines int64) {
	next := int64(0)
	for _, r := range c.Runs {
		if end := r.FirstLine + r.Lines; end > next {
			lines += end - max(next, r.FirstLine)
			next = end
		}
	}
	return lines
}

// bestChain settles which life's frames are taken: those of one life only, for line numbers do not go on between lives.
// The highest epoch wins, even against more lines. Except: a replica that died before it journaled again what it had
// taken holds less than its source; then the source wins.
func bestChain(chains []*Chain) *Chain {
	best := chains[0]
	for _, c := range chains[1:] {
		if c.standsBefore(best) {
			best = c
		}
	}
	return best
}

func (c *Chain) standsBefore(o *Chain) bool {
	switch {
	case (c.Record != nil) != (o.Record != nil):
		return c.Record != nil
	case c.Epoch > o.Epoch:
		return c.Held() >= c.Lines || c.Held() >= o.Held()
	case c.Epoch < o.Epoch:
		return !o.standsBefore(c)
	}
	return c.Held() >= o.Held()
}
