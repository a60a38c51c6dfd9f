package follow

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/pause"
)

// Why the follower itself ended a stream.
var (
	errStalled = errors.New("stream hangs: the log goes on and the stream does not")
	errRenew   = errors.New("stream was open for long")
)

const (
	// probeBytes is what makes a stream busy.
	probeBytes = 64 << 10
	probeLimit = 10 * time.Second
	// burstEnds is how long nothing comes until a burst is over. Whether the stream has come to its end is asked again
	// after askAgain, later each time up to askSoon, and then rarely.
	burstEnds = 100 * time.Millisecond
	askAgain  = 500 * time.Millisecond
	askSoon   = 2 * time.Second
)

// watchStream minds an open stream from beside: it ends one that hangs and one that is old, and looks for rotations.
// The returned function waits for the minder, which ends with ctx.
func (f *Follower) watchStream(ctx context.Context, cancel context.CancelCauseFunc) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.mind(ctx, cancel)
	}()
	return func() { <-done }
}

func (f *Follower) mind(ctx context.Context, cancel context.CancelCauseFunc) {
	now := time.Now()
	renew := now.Add(f.cfg.ReconnectAfter - rand.N(f.cfg.ReconnectAfter/10+1))
	patience, quietSince := f.cfg.StallAfter, now
	last := f.rotation.total.Load()
	rest := min(probeEvery, f.cfg.StallAfter)
	next := now.Add(rest) // the next look at the file, where one is due
	ask, again := now, askAgain
	f.dozing.level.Store(last - probeBytes) // whatever comes first is a burst
	f.dozing.Store(true)
	for f.sleepOrBusy(ctx, rest) {
		slept := time.Since(now)
		now = now.Add(slept)
		total := f.rotation.total.Load()
		busy := total != last
		if busy {
			last, quietSince, patience = total, now, f.cfg.StallAfter
		}
		switch {
		case now.After(renew):
			cancel(errRenew)
			return
		case now.Sub(quietSince) >= patience:
			if why := f.hangs(ctx, now.Sub(quietSince)); why != nil && pause.For(ctx, grace) == nil && f.rotation.total.Load() == last {
				f.count.Stalled.Inc()
				cancel(why)
				return
			}
			// The log is just quiet. Asking ever more rarely keeps thousands of quiet logs cheap.
			quietSince, patience = now, min(2*patience, 10*f.cfg.StallAfter)
		case !busy && f.dozing.burst(total) && !now.Before(ask):
			switch atEnd, why := f.burstEnded(ctx, total, now.Sub(quietSince)); {
			case why != nil:
				cancel(why)
				return
			case atEnd:
				ask, again = now.Add(probeEvery), askAgain
			default:
				ask = now.Add(again)
				if again *= 2; again > askSoon { // it stands still, or its last record is never as the line is
					again *= 30
				}
			}
		case f.rotation.due(false) && (!now.Before(next) || f.rotation.overdue()):
			f.probe(ctx)
		}
		if rest = probeEvery; !busy {
			rest = max(probeEvery, f.cfg.StallAfter/6)
		} else if f.rotation.soon() {
			rest = probeSoon
		}
		rest = min(rest, f.cfg.StallAfter)
		now = time.Now()
		if at := now.Add(rest); !now.Before(next) || at.Before(next) {
			next = at
		}
		rest = next.Sub(now)
		burst := f.dozing.burst(total)
		if burst { // its end must be seen before the kubelet rotates the file
			rest = min(rest, max(burstEnds, ask.Sub(now)))
		}
		f.dozing.Store(!burst)
	}
}

// burstEnded asks whether the stream has come to the end of its file, after so many bytes in all: what is rotated from
// then on is no loss. Where it has not, the kubelet's reader may have lost its file, and goes on with one that comes
// later; or the stream is served nothing, and has to end for that reason.
func (f *Follower) burstEnded(ctx context.Context, total int64, quiet time.Duration) (atEnd bool, why error) {
	newer, line := f.newer(ctx, quiet)
	switch {
	case newer && f.hides(line):
		return false, errHidden
	case f.tail.atEnd():
		f.dozing.level.Store(total)
		return true, nil
	case newer && f.tail.time() != 0 && f.rotation.little():
		f.probe(ctx)
		f.dozing.level.Store(total - probeBytes) // until more comes
	}
	return false, nil
}

// dozing is set while the minder does not look for the end of a burst. A burst that begins then wakes it.
type dozing struct {
	atomic.Bool
	level atomic.Int64 // what the stream had brought when it was last seen to stand at the end of its file
}

func (d *dozing) burst(total int64) bool { return total-d.level.Load() > probeBytes }

// sleepOrBusy waits, and ends when the follower asks for a look.
func (f *Follower) sleepOrBusy(ctx context.Context, d time.Duration) bool {
	return pause.Until(ctx, f.burst, d) == nil
}

// hangs asks for the last record of the log, which the kubelet finds from the file's end. If it is not the last one
// that is held, the stream has missed it: the kubelet's reader can lose its file for ever when that is rotated too
// early. Or it is passed over, for the node's clock was set back. A stream that outlives its container hangs, too: the
// kubelet ends it within a second.
func (f *Follower) hangs(ctx context.Context, quiet time.Duration) error {
	newer, line := f.newer(ctx, quiet)
	if newer && f.hides(line) {
		return errHidden
	}
	if seen, err := f.looker.Look(ctx, f.log.Instance(), false); err == nil && seen.Terminated != nil {
		return errStalled
	}
	if !newer {
		return nil
	}
	// The last record of a split line is never equal to the line. A stream that was opened anew and did not bring the
	// record would not bring it the next time either.
	h := line.Hash()
	if h == f.stuckOn {
		return nil
	}
	f.stuckOn = h
	return errStalled
}

// hides reports whether a record of the log is not served to the stream, for it is older than the time from which that
// was asked for.
func (f *Follower) hides(line archive.Line) bool { return line.Time < f.since.Load() }

// newer reports whether the log's last record is another than the last line that is held, and gives it. The stream has
// brought nothing for so long.
func (f *Follower) newer(ctx context.Context, quiet time.Duration) (bool, archive.Line) {
	tail := f.tail.time()
	line, ok, empty := f.last(ctx, Request{Tail: 1})
	switch {
	case empty:
		f.rotation.emptied(tail, quiet)
	case ok && f.tail.ends(line):
		f.rotation.reached(line.Time)
		return false, line
	}
	return ok, line
}

// grace is the time that a record which was just written takes through the stream.
const grace = 500 * time.Millisecond

// probe asks for the first record of the file that is being written, and reports whether it was told.
func (f *Follower) probe(ctx context.Context) bool {
	began, total, held := time.Now(), f.rotation.total.Load(), f.log.Summary().Lines
	f.rotation.tries(began)
	first, ok := f.head(ctx, false)
	if ok && first.time != 0 {
		f.rotation.looked(first, began, total, held)
	}
	return ok
}

// head asks for the first record of a file, and for so much of the line behind it that its time is known if there is
// one. Its time is 0 where the file is empty.
func (f *Follower) head(ctx context.Context, previous bool) (head, bool) {
	b, ok := f.some(ctx, Request{Previous: previous, Limit: longestStamp + headBytes})
	if !ok || len(b) == 0 {
		return head{}, ok
	}
	reader := &lineReader{buf: b, end: len(b)}
	line, stamped, whole := reader.next()
	if !whole {
		line, stamped, ok = reader.remainder()
		if at := errorIn(line.Text); at >= 0 {
			line.Text = line.Text[:at]
		}
		return head{time: line.Time, text: line.Text}, ok && stamped
	}
	first := head{time: line.Time, text: line.Text, whole: true}
	if line, stamped, ok := reader.remainder(); ok && stamped {
		first.next = line.Time
	}
	return first, stamped
}

// peek reads one line by a request of its own. Not ok where that failed or the line has no time.
func (f *Follower) peek(ctx context.Context, r Request) (line archive.Line, ok bool) {
	line, ok, _ = f.last(ctx, r)
	return line, ok
}

// last is peek, and says whether the file was served and has no record.
func (f *Follower) last(ctx context.Context, r Request) (line archive.Line, ok, empty bool) {
	b, ok := f.some(ctx, r)
	if !ok || len(b) == 0 {
		return archive.Line{}, false, ok
	}
	reader := &lineReader{buf: b, end: len(b)}
	line, stamped, ok := reader.next()
	if !ok {
		line, stamped, ok = reader.remainder()
	}
	return line, ok && stamped, false
}

// some reads what a small answer has.
func (f *Follower) some(ctx context.Context, r Request) ([]byte, bool) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	body, err := f.open(ctx, r)
	if err != nil {
		return nil, false
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, archive.MaxLine))
	return b, err == nil
}
