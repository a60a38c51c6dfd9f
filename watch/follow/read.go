package follow

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// read takes one answer of the API into the log: what is held is passed over, the rest is appended. It returns how many
// lines were new, and nil where the answer ended properly, which for a follow proves nothing.
func (f *Follower) read(ctx context.Context, r Request) (added int64, err error) {
	if err := f.prepare(ctx, &r); err != nil {
		return 0, err
	}
	f.count.Opened.Inc()
	body, err := f.open(ctx, r)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	f.lines.reset()
	f.served, f.grown = 0, time.Time{}
	before, pending := f.log.Summary().Lines, f.pending
	f.pending, f.left, f.joined = archive.Line{}, openPiece{pending, f.piece, f.follows && pending.Time != 0}, 0
	a := &answer{Request: r, opened: time.Now()}
	err = f.readBody(ctx, body, a)
	if errors.Is(err, errHidden) && f.overlap != nil {
		f.overlap.forgetEarly() // all of them come again
	}
	if early := f.settleEarly(); early != nil {
		err = early
	}
	f.empty, f.opens = err == nil && a.last.IsZero(), a.first
	f.lines.reset()
	f.countHeld()
	added = f.log.Summary().Lines - before
	if (err != nil || f.empty) && added == 0 && f.pending.Time == 0 {
		// an answer that failed, or of a file that was begun since, says nothing of the last words before
		f.pending = pending
	}
	return added, err
}

// countHeld tells the log what is held here of a line that has no end so far. The buffers that are lent do not count.
func (f *Follower) countHeld() {
	n := len(f.pending.Text) + len(f.left.line.Text)
	if o := f.overlap; o != nil {
		n += len(o.open.line.Text)
	}
	if own := len(f.lines.buf); own > busyBuffer {
		n += own
	}
	if n != f.counted {
		f.counted = n
		f.log.Reading(int64(n))
	}
}

func (f *Follower) readBody(ctx context.Context, body io.Reader, a *answer) error {
	// Without a held line no sentinel can vouch for the answer.
	if f.overlap == nil {
		f.noteStart()
		if err := f.prove(ctx, a); err != nil {
			return err
		}
	}
	if a.Follow {
		f.began = time.Now()
	}
	for {
		room := f.lines.room()
		f.countHeld()
		n, err := body.Read(room)
		inside := f.lines.unfinished()
		f.lines.took(n)
		f.count.BytesRead.Add(float64(n))
		if n > 0 {
			a.came(inside)
		}
		if a.Follow {
			f.rotation.total.Add(int64(n))
		}
		f.first = 0
		if terr := f.take(ctx, a); terr != nil {
			return terr
		}
		if a.Follow {
			f.noteBurst()
		}
		ended := errors.Is(err, io.EOF)
		if ended {
			err = f.remainder(ctx, a)
		}
		if err != nil || ended {
			f.noteSilence(ctx, a, err)
			return err
		}
	}
}

// noteBurst wakes the minder, which sleeps long while little comes, where a look is overdue or a burst has begun: a
// rotation may be near.
func (f *Follower) noteBurst() {
	if f.first != 0 { // a piece of a line says nothing of how late lines come
		f.rotation.came(f.first, f.served)
	}
	if f.rotation.overdue() || f.dozing.burst(f.rotation.total.Load()) && f.dozing.CompareAndSwap(true, false) {
		select {
		case f.burst <- struct{}{}:
		default: // it is awake
		}
	}
}

// take cuts what was read into lines and appends the new ones.
func (f *Follower) take(ctx context.Context, a *answer) error {
	f.batch.clear()
	if err := f.rotated(); err != nil {
		return err
	}
	for anew := false; ; anew = true {
		line, stamped, ok := f.lines.next()
		if !ok {
			if err := f.append(); err != nil {
				return err
			}
			return f.grow(a, anew)
		}
		// Where since falls inside a split line the answer has the rest of it without a time, at its start or, where
		// times are out of order, soon after. The whole line is held, for it began before since, unless the node's
		// clock was set back and it began after all that is held: only the whole file tells.
		if !stamped && a.Since > 0 {
			return errors.Join(errHidden, f.append())
		}
		if err := f.takeLine(ctx, a, line, f.lines.piece); err != nil {
			return errors.Join(err, f.append())
		}
		if !f.lines.inside {
			a.began = a.last
		}
	}
}

// takeLine takes a line, or the piece of one before which so many have come.
func (f *Follower) takeLine(ctx context.Context, a *answer, line archive.Line, index int) error {
	if a.first == 0 {
		a.first = line.Time
	}
	if index == 0 {
		f.joined = 0
		if again, err := f.servedAgain(line); again || err != nil {
			return err
		}
		if err := f.graft(a, line); err != nil {
			return err
		}
	}
	if what, err := f.fateOf(ctx, a, &line, index); what != fresh || err != nil {
		return err
	}
	return f.takeNew(a, line, index)
}

// takeNew takes one that is not held, or the piece of one before which so many have come.
func (f *Follower) takeNew(a *answer, line archive.Line, index int) error {
	if err := f.hidden(a, line); err != nil {
		return err
	}
	if a.All && (f.overlap == nil || f.overlap.found) {
		f.behind = false
	}
	if a.Follow && a.began.Before(a.last) {
		f.parted = f.log.Summary().Lines + int64(len(f.batch.lines)) + 1
	}
	if a.Follow && index == 0 {
		f.heard = heard{line.Time, a.began, a.began.Sub(a.opened) < backlogTime}
	}
	return f.add(f.place(line))
}

// add puts a new line into the batch.
func (f *Follower) add(line archive.Line) error {
	if len(f.rotation.expected) > 0 {
		if err := f.expect(line); err != nil {
			return err
		}
	}
	f.batch.add(line)
	return nil
}

// fate is what becomes of a line that an answer brings.
type fate int

const (
	fresh fate = iota // it is not held, or a rest of it is not
	held              // it is
	waits             // whether it is shows when the sentinel comes
)

// fateOf compares the line with what is held. Where it is fresh and the sentinel was missed, the gap is written first.
// Of a piece that is held in part the rest is left.
func (f *Follower) fateOf(ctx context.Context, a *answer, line *archive.Line, index int) (fate, error) {
	o := f.overlap
	if o == nil {
		return fresh, nil
	}
	if o.have(*line) {
		if o.found {
			return held, f.addEarly()
		}
		return held, nil
	}
	if more, goesOn := o.more(*line, index); goesOn {
		*line = more
		switch {
		case !o.found:
			return held, nil
		case len(more.Text) == 0 && more.Partial:
			return held, f.addEarly()
		}
		return fresh, f.addEarly()
	}
	if !o.found {
		if err := f.prove(ctx, a); err != nil {
			return fresh, err
		}
	}
	if f.vouched(*line, index) {
		return fresh, f.addEarly()
	}
	if o.doubts(a) {
		return fresh, errHidden
	}
	if o.waits(*line) {
		return waits, nil
	}
	if o.missed() {
		if err := f.append(); err != nil {
			o.gapped = false // the gap is found again when there is room
			return fresh, err
		}
		if err := f.keepLeft(); err != nil {
			o.gapped = false
			return fresh, err
		}
		f.unserved(o.firstOf(*line).Time)
		if err := f.addEarly(); err != nil {
			return fresh, err
		}
	}
	o.taken = true
	if o.spent(*line) {
		if err := f.strays(0); err != nil {
			return fresh, err
		}
		f.overlap = nil
		f.reason = archive.GapRotated
	}
	return fresh, nil
}

// appendAlone gives one line to the log, and nothing that an answer before it left.
func (f *Follower) appendAlone(line archive.Line) error {
	f.batch.clear()
	f.batch.add(line)
	return f.append()
}

// append gives the batch to the log.
func (f *Follower) append() error {
	lines := f.batch.lines
	if len(lines) == 0 {
		return nil
	}
	defer f.batch.clear()
	if f.log.Summary().Lines == 0 {
		f.judgeStart(lines[0])
		f.rotation.begins(lines[0].Time)
	}
	n, err := f.log.Append(lines...)
	if n > 0 {
		f.tail.set(lines[n-1])
		f.count.Lines.Add(float64(n))
	}
	if err != nil {
		return &spoolError{err}
	}
	return nil
}
