package follow

import (
	"bytes"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// servedAgain finds a repetition inside one answer. A reader that was slow across several rotations is served the
// newest file from its start once for each of them: the stream steps back to a line that is held already. What follows
// is then compared like the answer to a new request.
func (f *Follower) servedAgain(line archive.Line) (bool, error) {
	before := f.served
	if line.Time != 0 {
		f.served = line.Time
		if f.first == 0 {
			f.first = line.Time
		}
	}
	if line.Time >= before || line.Time == 0 || f.overlap != nil && !f.overlap.found {
		return false, nil
	}
	if f.overlap != nil && f.overlap.expects(line) {
		return false, nil
	}
	if err := f.append(); err != nil {
		return false, err
	}
	held, err := f.log.Has(line)
	if err != nil {
		return false, &spoolError{err}
	}
	var s seam
	if !held && time.Duration(before-line.Time) > leastStep {
		// The file may begin inside a line.
		if s, held, err = f.findSeam(headOf(line)); err != nil {
			return false, &spoolError{err}
		}
		held = held && !s.last && s.proves(headOf(line))
	}
	if !held {
		return false, nil
	}
	if err := f.twice(line); err != nil {
		return false, err
	}
	if f.overlap, err = newOverlap(f.log, place{since: line.Time}); err != nil {
		return false, &spoolError{err}
	}
	if s.at > 0 {
		if err := f.overlap.graft(f.log, s, line.Time); err != nil {
			return false, &spoolError{err}
		}
	}
	return f.overlap.have(line), nil
}

// leastStep is how far a stream must step back at the least to be looked at for a file that begins inside a line: lines
// of two outputs come out of order all the time.
const leastStep = 10 * time.Millisecond

// headOf returns a line as the first record of a file.
func headOf(line archive.Line) head {
	n := min(len(line.Text), headBytes)
	return head{time: line.Time, text: line.Text[:n], whole: !line.Partial && n == len(line.Text)}
}

// graft takes an answer's first line for what it may be: the rest of a held line, of which the file before had the
// start. That line is then compared from there on, and goes on with what of the answer's is not held.
func (f *Follower) graft(a *answer, line archive.Line) error {
	o := f.overlap
	if a.begun || o == nil || line.Time == 0 {
		return nil
	}
	if a.begun = true; o.expects(line) || o.open.there && o.open.line.Time == line.Time {
		return nil
	}
	h := headOf(line)
	s, ok, err := f.findSeamAnywhere(h)
	if err != nil {
		return &spoolError{err}
	}
	// That the record's text stood there, as far as it went then, may be chance. If it is not, nothing stands twice.
	known := !ok && a.All && f.begins.time == h.time
	if known {
		s = f.begins.seam
	}
	if !known && (!ok || s.last && s.inside && s.end == 0 && !s.proves(h)) {
		return f.graftLeft(h)
	}
	if s.last && !s.proves(h) && o.missed() {
		// The end of many a line is like this. It may be a line of its own, and others may lie before it: all of them
		// are in doubt.
		if f.left.there && f.left.line.Time < h.time {
			o.gapped = false
			return f.graftLeft(h)
		}
		f.unserved(0)
	}
	if err := o.graft(f.log, s, line.Time); err != nil {
		return &spoolError{err}
	}
	a.seam, a.grafted = s, true
	if s.last {
		f.joined = s.time
	}
	return nil
}

// graftLeft does so with a line of which the answer before brought a part, and no more than that. Where the file begins
// inside that part it is served to nobody again, and is taken up now.
func (f *Follower) graftLeft(h head) error {
	left := f.left.line
	if !f.left.there || left.Time >= h.time {
		return nil
	}
	search := seamSearch{head: h}
	search.take(left)
	search.close()
	if s := search.best; !s.found || !s.sure {
		return nil
	}
	f.left.there = false
	if err := f.appendAlone(left); err != nil {
		return err
	}
	var err error
	if f.overlap, err = newOverlap(f.log, place{since: left.Time}); err != nil {
		return &spoolError{err}
	}
	if search.best.short() {
		// It may be the end of another file's line, too, with which the kubelet joined the start of this one: the gap
		// lies inside it then.
		f.overlap.missed()
		n := f.log.Summary().Lines
		f.gap(archive.Gap{
			AfterLine: n - 1, ThroughLine: n, From: left.Time, To: h.time, Reason: archive.GapRotated, Unproven: true,
			Detail: "the kubelet rotated the log inside a line, and it is not certain that this is the one that was read",
		})
	}
	s, ok, err := f.findSeamLast(h)
	if ok && err == nil {
		f.joined = s.time
		err = f.overlap.graft(f.log, s, h.time)
	}
	return wrapSpool(err)
}

// vouched reports whether the line is the one of which the answer before brought a part, right behind the last line
// held: it is as good as that one, which may be gone with its file.
func (f *Follower) vouched(line archive.Line, index int) bool {
	l := &f.left
	if !l.there || f.overlap.found || line.Time != l.line.Time || index != l.index || !bytes.HasPrefix(line.Text, l.line.Text) {
		return false
	}
	l.there, f.overlap.found = false, true
	return true
}

// keepLeft takes up what the answer before brought of a line of which pieces are held, where that is served to nobody
// again.
func (f *Follower) keepLeft() error {
	if !f.left.there || f.left.index == 0 {
		return nil
	}
	f.left.there = false
	return f.appendAlone(f.left.line)
}

// graft takes up what is held of a line from a seam on, as a file is served that begins there.
func (o *overlap) graft(log *spool.Log, s seam, at int64) error {
	sentinel, last, latest := o.sentinel, o.last, o.latest
	j := joiner{emit: o.keep}
	err := s.held(log, at, &j)
	if !s.last {
		j.cut()
		o.sentinel, o.last, o.latest = sentinel, last, latest
		return err
	}
	if o.open.there {
		o.open.there = false
		o.left--
	}
	o.end(&j)
	return err
}

// held gives what is held of the line from the seam on, with another time, as the file has it.
func (s seam) held(log *spool.Log, at int64, j *joiner) error {
	from, skip, left := s.from.after, s.at, s.through-s.after
	return log.HeldFrom(s.from.since, func(piece archive.Line) bool {
		if from > 0 {
			from--
			return true
		}
		n := min(skip, int64(len(piece.Text)))
		skip -= n
		j.take(archive.Line{Time: at, Text: piece.Text[n:], Partial: piece.Partial})
		left--
		return left > 0
	})
}

// place gives a line that goes on with a held one the time of that.
func (f *Follower) place(line archive.Line) archive.Line {
	if f.joined != 0 && (f.overlap == nil || f.overlap.found) {
		line.Time = f.joined
	}
	return line
}
