package follow

import (
	"github.com/epilogue-dev/epilogue/archive"
)

// skippedLast writes the gap of a file behind which a newer one is known, and of which nothing was met: the last line
// may be the start of one line and the end of another, with which the newer one begins.
func (f *Follower) skippedLast(first firstRecord) error {
	through := f.log.Summary().Lines
	if through == 0 {
		return nil
	}
	after, err := f.beforeLast()
	if err != nil {
		return err
	}
	first.after, first.through, first.from = after, through, f.tail.time()
	f.skipped(first)
	return nil
}

// beforeLast returns how many lines are held before the last one.
func (f *Follower) beforeLast() (after int64, err error) {
	var n, at int64
	var last archive.Line
	err = f.log.HeldFrom(f.tail.time(), func(piece archive.Line) bool {
		if !last.Partial || last.Time != piece.Time {
			at = n
		}
		last = archive.Line{Time: piece.Time, Partial: piece.Partial}
		n++
		return true
	})
	return f.log.Summary().Lines - n + at, wrapSpool(err)
}

// settleRotation judges the first records that are still expected when a log has ended: what the stream went past and
// never met is a gap.
func (f *Follower) settleRotation() error {
	if err := f.rotated(); err != nil {
		return err
	}
	for n, first := range f.rotation.expected {
		met, err := f.meet(&first)
		if !met && err == nil && !first.crossed {
			met, err = f.meetInside(&first, 0)
		}
		switch {
		case err != nil:
			return &spoolError{err}
		case met:
			f.confirm(first)
		case first.crossed:
			if err := f.skippedBefore(first, f.rotation.expected[n+1:], 0); err != nil {
				return err
			}
		default: // what is missing at the end is the sentinel's affair
			first.after = f.log.Summary().Lines
			f.settle(first)
			if n+1 < len(f.rotation.expected) {
				err = f.skippedLast(first)
			}
			if err != nil {
				return err
			}
		}
	}
	f.rotation.expected = nil
	return nil
}
