package watch

import (
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// overlap tells, while a log is read again from shortly before its last held line, which lines are held already.
//
// The API resumes by whole seconds and the clock of a node may step back, so times alone tell nothing: lines are compared
// by time and bytes, and counted, so that two equal lines stay two. The last held line is the sentinel: while the answer
// has not shown it, nothing proves that no line lies between it and the next.
type overlap struct {
	held     map[uint64]int32 // lines that are held and were not met yet
	left     int              // sum of held
	sentinel uint64
	last     int64 // the sentinel's time
	latest   int64 // the latest time of a held line
	found    bool
	gapped   bool // a line beyond the sentinel came before it
}

const (
	// reach is how far before the last held time a log is read again: lines of two outputs may lie out of order by
	// as much as their writers were apart, which is far less.
	reach = 2 * time.Second
	// forget is how far beyond the latest held time a held line may still come.
	forget = 5 * time.Second
)

// newOverlap takes up what the log holds from since on; nil where it holds nothing at all.
func newOverlap(log *archive.Log, since int64) (*overlap, error) {
	if log.Summary().Lines == 0 {
		return nil, nil
	}
	o := &overlap{held: map[uint64]int32{}}
	err := log.Held(since, func(line archive.Line) bool {
		o.sentinel = line.Hash()
		o.held[o.sentinel]++
		o.left++
		o.last = line.Time
		o.latest = max(o.latest, line.Time)
		return true
	})
	return o, err
}

// expects says that the line is held and was not met yet.
func (o *overlap) expects(line archive.Line) bool { return o.held[line.Hash()] > 0 }

// have says whether the line is held already, and counts it off.
func (o *overlap) have(line archive.Line) bool {
	h := line.Hash()
	n := o.held[h]
	if n == 0 {
		return false
	}
	o.left--
	if n > 1 {
		o.held[h] = n - 1
		return true
	}
	delete(o.held, h)
	if h == o.sentinel {
		o.found = true
	}
	return true
}

// missed says, once, that a line which is not held follows without the sentinel having been met: what lies between is not
// known. A line older than the sentinel is one that was never served before and proves nothing.
func (o *overlap) missed(line archive.Line) bool {
	if o.found || o.gapped || line.Time < o.last {
		return false
	}
	o.gapped = true
	return true
}

// spent: nothing that is still to come can be held already.
func (o *overlap) spent(line archive.Line) bool {
	return o.left == 0 || line.Time > o.latest+int64(forget)
}

// since gives the time from which a log is read again, in whole seconds; 0 where nothing is held.
func since(last int64) int64 {
	if last == 0 {
		return 0
	}
	second := int64(time.Second)
	return (last - int64(reach)) / second * second
}
