package follow

import (
	"bytes"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// overlap tells, while a log is read again from shortly before its last held line, which lines are held already.
//
// The API resumes by whole seconds and the clock of a node may step back, so times alone tell nothing: lines are
// compared by time and bytes, and counted, so that two equal lines stay two. The last held line is the sentinel: while
// the answer has not shown it, nothing proves that no line lies between it and the next.
type overlap struct {
	held     map[uint64]int32 // lines that are held and were not met yet
	left     int              // sum of held
	sentinel uint64
	last     int64 // the sentinel's time
	latest   int64 // the latest time of a held line
	open     openPiece
	found    bool
	gapped   bool           // a line beyond the sentinel came before it
	early    []archive.Line // new lines that are older than the sentinel and came before it; their Texts are copies
	waiting  int            // bytes of early
	place    place          // from which on it was taken up
	met      uint64         // the last line that was met before a new one came
	some     bool           // there is one
	taken    bool           // new lines were taken up
	strayed  bool           // and others that are held came behind them
}

const (
	// reach is how far before the last held time a log is read again: lines of two outputs may lie out of order by
	// as much as their writers were apart, which is far less.
	reach = 2 * time.Second
	// forget is how far beyond the latest held time a held line may still come.
	forget = 5 * time.Second
)

// place is where in a log to begin: with the lines that are not before since, but for so many of them.
type place struct{ since, after int64 }

// newOverlap takes up what the log holds from a place on; nil where it holds nothing at all.
func newOverlap(log *spool.Log, from place) (*overlap, error) {
	if log.Summary().Lines == 0 {
		return nil, nil
	}
	o := &overlap{held: map[uint64]int32{}, place: from}
	j := joiner{emit: o.keep}
	err := log.HeldFrom(from.since, func(line archive.Line) bool {
		if from.after > 0 {
			from.after--
			return true
		}
		j.take(line)
		return true
	})
	o.end(&j)
	return o, err
}

// openPiece is what is held of the piece of a line whose end is not.
type openPiece struct {
	line  archive.Line // its Text is a copy
	index int          // so many pieces of its line lie before it
	there bool
}

// keep takes up a piece that is held.
func (o *overlap) keep(piece archive.Line, _ int) {
	o.sentinel = piece.Hash()
	o.held[o.sentinel]++
	o.left++
	o.last = piece.Time
	o.latest = max(o.latest, piece.Time)
}

// end takes up what is held of a last line without an end: that is the sentinel.
func (o *overlap) end(j *joiner) {
	if !j.inside || len(j.rest.Text) == 0 {
		return
	}
	o.holds(j.rest, j.index)
}

// holds takes up a piece that is held as far as it has come.
func (o *overlap) holds(piece archive.Line, index int) {
	piece.Text = append([]byte(nil), piece.Text...)
	o.open = openPiece{line: piece, index: index, there: true}
	o.last, o.latest, o.sentinel = piece.Time, max(o.latest, piece.Time), 0
	o.left++
}

// more compares a served piece with the open one. ok: it goes on with what is held, and more is what of it is not. One
// that ends sooner was cut on its way and has nothing new.
func (o *overlap) more(piece archive.Line, index int) (more archive.Line, ok bool) {
	p := &o.open
	if !p.there || piece.Time != p.line.Time || index != p.index {
		return piece, false
	}
	if piece.Partial && bytes.HasPrefix(p.line.Text, piece.Text) {
		o.found = o.found || len(piece.Text) == len(p.line.Text)
		piece.Text = nil
		return piece, true
	}
	if !bytes.HasPrefix(piece.Text, p.line.Text) {
		return piece, false
	}
	piece.Text = piece.Text[len(p.line.Text):]
	p.there, o.found = false, true
	o.left--
	return piece, true
}

// expects reports whether the line is held and was not met yet.
func (o *overlap) expects(line archive.Line) bool { return o.held[line.Hash()] > 0 }

// have reports whether the line is held already, and counts it off.
func (o *overlap) have(line archive.Line) bool {
	h := line.Hash()
	n := o.held[h]
	if n == 0 {
		return false
	}
	o.left--
	o.pass(h)
	if n > 1 {
		o.held[h] = n - 1
		return true
	}
	delete(o.held, h)
	if h == o.sentinel && !o.open.there {
		o.found = true
	}
	return true
}

// waits takes a new line that is older than the sentinel, while that has not come: where it still comes, the line is
// one that was never served before; where it does not, the clock was set back and the file was rotated. Only then is a
// gap.
func (o *overlap) waits(line archive.Line) bool {
	if o.found || o.gapped || line.Time >= o.last || o.waiting > mostWaiting {
		return false
	}
	line.Text = append([]byte(nil), line.Text...)
	o.early = append(o.early, line)
	o.waiting += len(line.Text)
	return true
}

// mostWaiting bounds the text of lines that wait for the sentinel, in bytes.
const mostWaiting = 256 << 10

// missed says, once, that lines which are not held follow without the sentinel having been met: what lies between is
// not known.
func (o *overlap) missed() bool {
	if o.found || o.gapped {
		return false
	}
	o.gapped = true
	return true
}

// firstOf returns the first new line when the given one has come too.
func (o *overlap) firstOf(line archive.Line) archive.Line {
	if len(o.early) > 0 {
		return o.early[0]
	}
	return line
}

// spent: nothing that is still to come can be held already.
func (o *overlap) spent(line archive.Line) bool {
	return o.left == 0 || line.Time > o.latest+int64(forget)
}

// since returns the time from which a log is read again, in whole seconds; 0 where nothing is held.
func since(last int64) int64 {
	if last == 0 {
		return 0
	}
	second := int64(time.Second)
	return (last - int64(reach)) / second * second
}
