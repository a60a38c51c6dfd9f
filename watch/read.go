package watch

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
	f.served = 0
	before, pending := f.log.Summary().Lines, f.pending
	f.pending = archive.Line{}
	a := &answer{Request: r, opened: time.Now()}
	err = f.readBody(ctx, body, a)
	if early := f.settleEarly(); early != nil {
		err = early
	}
	added = f.log.Summary().Lines - before
	if err != nil && added == 0 && f.pending.Time == 0 {
		f.pending = pending // an answer that failed says nothing of the last words of the one before
	}
	return added, err
}

func (f *Follower) readBody(ctx context.Context, body io.Reader, a *answer) error {
	// Without a held line no sentinel can vouch for the answer.
	if f.overlap == nil {
		f.noteStart()
		if err := f.prove(ctx, a); err != nil {
			return err
		}
	}
	for {
		n, err := body.Read(f.lines.room())
		f.lines.took(n)
		f.count.BytesRead.Add(float64(n))
		if n > 0 {
			a.came()
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
			f.noteSilence(ctx, err)
			return err
		}
	}
}

// noteBurst wakes the minder, which sleeps long while little comes, where a look is overdue: a rotation may be near.
func (f *Follower) noteBurst() {
	if f.first != 0 { // a piece of a line says nothing of how late lines come
		f.rotation.came(f.first, f.served)
	}
	if f.rotation.overdue() {
		select {
		case f.burst <- struct{}{}:
		default: // it is awake
		}
	}
}

// prepare chooses where the answer begins and takes up what is held from there on.
func (f *Follower) prepare(ctx context.Context, r *Request) (err error) {
	from := place{since: since(f.resumeTime(f.log.Summary()))}
	if !r.All {
		r.Since = from.since
		f.resumed = f.resumed || r.Follow && from.since > 0
	} else if from, err = f.fileBegins(ctx, r, from); err != nil {
		return &spoolError{err}
	}
	if r.Follow {
		f.since.Store(r.Since)
	}
	if f.overlap, err = newOverlap(f.log, from); err != nil {
		return &spoolError{err}
	}
	return nil
}

// fileBegins gives the place of the file's first record in what is held: the whole file is compared, so what is held of it must be
// known whole. Times do not tell, for the clock may have been set back inside it. Where the record is not held a time well before
// it must do.
func (f *Follower) fileBegins(ctx context.Context, r *Request, from place) (place, error) {
	first, ok := f.peek(ctx, Request{Previous: r.Previous, Limit: longestStamp + 1})
	if !ok {
		return from, nil
	}
	var n int64
	found := false
	err := f.log.Held(0, func(line archive.Line) bool {
		found = line.Time == first.Time
		n++
		return !found
	})
	if found {
		return place{after: n - 1}, err
	}
	from.since = min(from.since, first.Time-int64(10*time.Minute))
	return from, err
}

// resumeTime is the time to resume from: that of the last line in the order served, for a clock that stepped back serves
// its next lines with earlier times than the latest one.
func (f *Follower) resumeTime(s archive.Summary) int64 {
	if t := f.tail.time(); t != 0 {
		return min(t, s.Last)
	}
	return s.Last
}

// take cuts what was read into lines and appends the new ones.
func (f *Follower) take(ctx context.Context, a *answer) error {
	f.batch.clear()
	if err := f.rotated(); err != nil {
		return err
	}
	for {
		line, stamped, ok := f.lines.next()
		if !ok {
			return f.append()
		}
		// Where since falls inside a split line the answer has the rest of it without a time, at its start or, where times
		// are out of order, soon after. The whole line is held: it began before since, and since lies before the last one.
		if !stamped && a.Since > 0 && f.overlap != nil {
			continue
		}
		again, err := f.servedAgain(line)
		if err != nil {
			return err
		}
		if again {
			continue
		}
		if passed, err := f.passed(ctx, a, line); err != nil || passed {
			if err != nil {
				return errors.Join(err, f.append())
			}
			continue
		}
		if err := f.hidden(ctx, a, line); err != nil {
			return errors.Join(err, f.append())
		}
		if a.All && (f.overlap == nil || f.overlap.found) {
			f.behind = false
		}
		f.add(line)
	}
}

// add puts a new line into the batch.
func (f *Follower) add(line archive.Line) {
	if len(f.rotation.expected) > 0 {
		f.expect(line)
	}
	f.batch.add(line)
}

// servedAgain finds a repetition inside one answer. A reader that was slow across several rotations is served the newest
// file from its start once for each of them: the stream steps back to a line that is held already. What follows is then
// compared like the answer to a new request.
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
	if err != nil || !held {
		return false, wrapSpool(err)
	}
	if err := f.twice(line); err != nil {
		return false, err
	}
	if f.overlap, err = newOverlap(f.log, place{since: line.Time}); err != nil {
		return false, &spoolError{err}
	}
	return f.overlap.have(line), nil
}

// passed says that the line is held already, or waits for the sentinel; where it is new and the sentinel was missed, the gap
// is written first.
func (f *Follower) passed(ctx context.Context, a *answer, line archive.Line) (bool, error) {
	o := f.overlap
	if o == nil {
		return false, nil
	}
	if o.have(line) {
		if o.found {
			f.addEarly()
		}
		return true, nil
	}
	if !o.found {
		if err := f.prove(ctx, a); err != nil {
			return false, err
		}
	}
	if o.waits(line) {
		return true, nil
	}
	if o.missed() {
		if err := f.append(); err != nil {
			o.gapped = false // the gap is found again when there is room
			return false, err
		}
		f.unserved(o.firstOf(line).Time)
		f.addEarly()
	}
	if o.spent(line) {
		f.overlap = nil
		f.reason = archive.GapRotated
	}
	return false, nil
}

// addEarly takes up the lines that waited for the sentinel.
func (f *Follower) addEarly() {
	early := f.overlap.early
	f.overlap.early = nil
	for _, line := range early {
		f.add(line)
	}
}

// settleEarly decides on the lines that still wait when the answer has ended: the sentinel was not in it.
func (f *Follower) settleEarly() error {
	o := f.overlap
	if o == nil || len(o.early) == 0 {
		return nil
	}
	o.missed()
	f.unserved(o.early[0].Time)
	f.batch.clear()
	f.addEarly()
	return f.append()
}

// unserved writes the gap of an answer that did not show the last line held: up to a line of the given time, 0 for none. The
// file before may have been read to its end. Lines are known to be missing only where they came and found no room.
func (f *Follower) unserved(to int64) {
	f.gapHere(archive.Gap{
		From: f.overlap.last, To: to, Reason: f.reason, Unproven: f.reason != archive.GapSpoolFull,
		Detail: "the last line held was no longer served when reading went on",
	})
}

// gapHere writes a gap after the lines that are held now.
func (f *Follower) gapHere(g archive.Gap) {
	g.AfterLine = f.log.Summary().Lines
	f.gap(g)
}

// gap writes a gap, unless one of that reason stands there already: a crash may come between a gap and what follows it,
// and the same place may be found twice.
func (f *Follower) gap(g archive.Gap) {
	for _, have := range f.log.Summary().Gaps {
		if have.AfterLine == g.AfterLine && have.Reason == g.Reason && have.ThroughLine >= g.ThroughLine {
			return
		}
	}
	f.log.Gap(g)
	f.count.Gaps.WithLabelValues(string(g.Reason)).Inc()
	f.slog.Warn("gap in log", "instance", f.log.Instance(), "after_line", g.AfterLine, "reason", g.Reason, "detail", g.Detail)
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
