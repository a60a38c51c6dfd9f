package follow

import (
	"errors"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

const (
	// growEvery is how often what has come of a line without an end is taken up, before there is a whole piece of it. A
	// line that was written in one go has its end sooner, and stays one.
	growEvery = time.Second
	// growLeast is the least that is taken up so. A runtime serves text without a newline in records of 8 or 16 KiB, so
	// what is shorter is on its way to its end.
	growLeast = headBytes
)

// grow takes up what has come of a line whose end has not, so that who reads along sees a progress bar move. The whole
// piece of the line is compared with it when it comes, as an answer is that begins with a line which is held in part. A
// crash leaves the same: a line that is held up to some byte. anew: it is another line, or another piece of one, than
// at the last call.
func (f *Follower) grow(a *answer, anew bool) error {
	if !a.Follow || !f.lines.unfinished() {
		f.grown = time.Time{}
		return nil
	}
	now := time.Now()
	if anew && !f.lines.inside || f.grown.IsZero() {
		f.grown = now
		return nil
	}
	if o := f.overlap; now.Sub(f.grown) < growEvery || o != nil && (!o.found || !a.begun) {
		return nil
	}
	f.grown = now
	piece, index, ok := f.lines.soFar()
	switch {
	case !ok || len(piece.Text) < growLeast || errorIn(piece.Text) >= 0:
		return nil // it may be the kubelet's own words
	case index == 0 && piece.Time < f.served:
		return nil // a line that comes again, perhaps: it is judged as a whole
	}
	return f.growBy(a, piece, index)
}

func (f *Follower) growBy(a *answer, piece archive.Line, index int) error {
	o := f.overlap
	if o == nil {
		o = &overlap{found: true}
	}
	fresh := piece
	if o.open.there {
		more, goesOn := o.more(piece, index)
		if !goesOn {
			return nil // that belongs to a line which is still to come
		}
		fresh = more
	} else if index == 0 {
		f.joined = 0
	}
	if len(fresh.Text) == 0 {
		return nil
	}
	if err := errors.Join(f.takeNew(a, fresh, index), f.append()); err != nil {
		return err
	}
	if a.first == 0 {
		a.first = piece.Time
	}
	f.served, a.begun = piece.Time, true
	o.holds(piece, index)
	f.overlap = o
	return nil
}
