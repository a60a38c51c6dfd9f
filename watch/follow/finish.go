package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/pause"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// finish proves the log of an instance that runs no more, or writes down what could not be proven. runs: it does run; a
// container that is created and not started yet looks like one that has ended.
//
// A follow that ended may have lost the last lines: the kubelet stops it when the file was rotated during the exit, and
// the runtime writes its last buffer a moment after it reports the exit. So the log is read again from before its last
// held line, without follow, until such a read, begun after a delay, adds nothing; and the last record of the file is
// compared with the last line that is held, which also finds lines that a clock set back would hide from since.
func (f *Follower) finish(ctx context.Context, seen pods.Sight) (runs bool, err error) {
	ended, settle := time.Now(), f.cfg.SettleDelay
	p := proof{follower: f, deadline: ended.Add(f.cfg.GiveUpAfter), again: pause.Backoff{Last: 30 * time.Second}}
	p.whole = f.behind || f.resumed && f.log.Summary().Bytes <= wholeBytes
	for {
		if !seen.Readable() {
			return false, p.unproven(seen)
		}
		// The log of a pod that is being deleted goes within a second or two: that one is read at once, and again soon.
		if seen.Deleting {
			settle = min(settle, hurry)
		} else if early := settle - time.Since(ended); early > 0 && pause.For(ctx, early) != nil {
			return false, ctx.Err()
		}
		p.again.First = settle
		done, err := p.try(ctx, seen, time.Since(ended) >= settle)
		if err != nil {
			return false, err
		}
		after, err := f.look(ctx, true)
		if err != nil {
			return false, err
		}
		if f.runs(after) {
			return true, nil
		}
		// The identity after the read must be the one before it: else another instance may have answered.
		if done = done && after.Previous == seen.Previous && after.Ended(); done && after.Readable() {
			return false, p.ended(after)
		}
		if seen = after; p.hopeless() {
			return false, p.unproven(seen)
		}
		if !done {
			if err := p.wait(ctx); err != nil {
				return false, err
			}
		}
	}
}

// wholeBytes bounds the text of a log that is read whole once more because its stream was broken before: where the
// clock was set back while nothing was read, the lines of that time lie before since. A longer log would cost too much;
// there the last record alone is compared.
const wholeBytes = 4 << 20

// hurry is the settle delay of a pod that is being deleted. The kubelet ends a follow up to a second after the exit, so
// that most of the delay has passed by then.
const hurry = 150 * time.Millisecond

// proof is the state of proving one end.
type proof struct {
	follower *Follower
	deadline time.Time
	again    pause.Backoff
	err      error        // of the last try
	removed  int          // tries in a row that the kubelet answered with "no such log"
	pending  archive.Line // a last line without an end, from the read before
	echo     uint64       // a last line that looks like the kubelet's error
	echoes   int          // how often it came again
	full     bool         // the spool has no room and gets none
	whole    bool         // since cannot be relied on: read the file from its start
}

// enoughEchoes is how often a line must come again to be one of the log.
const enoughEchoes = 3

// removals is how often the kubelet must say that it has no such log: it says so too for a moment while it starts.
const removals = 5

func (p *proof) hopeless() bool {
	return p.full || p.removed >= removals || time.Now().After(p.deadline)
}

func (p *proof) wait(ctx context.Context) error { return p.again.Wait(ctx) }

// try reads once. done: the read was late enough, worked and added nothing.
func (p *proof) try(ctx context.Context, seen pods.Sight, settled bool) (done bool, err error) {
	f := p.follower
	r := Request{Previous: seen.Previous, All: p.whole}
	added, err := f.read(ctx, r)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if errors.Is(err, spool.ErrFull) {
		return false, p.waitForRoom(ctx, err)
	}
	if _, disk := errors.AsType[*spoolError](err); disk {
		return false, err
	}
	if errors.Is(err, errHidden) {
		p.whole = true
	}
	if p.failed(err) {
		return false, nil
	}
	if added > 0 {
		p.again.Reset()
		p.pending = archive.Line{}
		return false, nil
	}
	if fresh := p.settlePending(); fresh || !settled {
		return false, nil
	}
	if !p.tailMatches(ctx, r) {
		return false, nil
	}
	return f.findNewest(ctx, r)
}

// roomWait bounds how long a log that has ended waits for room in the spool: it may be the one that fills it, and only
// sealing it makes room.
const roomWait = 30 * time.Second

func (p *proof) waitForRoom(ctx context.Context, full error) error {
	f := p.follower
	f.reason = archive.GapSpoolFull
	f.count.SpoolFull.Inc()
	limited, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	if err := f.budget.Room(limited); err != nil {
		p.err, p.full = full, true
	}
	return ctx.Err()
}

// failed counts an error of the read.
func (p *proof) failed(err error) bool {
	p.err = err
	if err == nil {
		p.removed = 0
		return false
	}
	var text *errText
	if !errors.As(err, &text) {
		return true
	}
	if text.removed() {
		p.removed++
	}
	return !p.echoed(text.line)
}

// echoed reports whether the same line was read so often that it is one of the log, and makes it the pending one: last
// words of a process may well be those of an error that the kubelet has too.
func (p *proof) echoed(line archive.Line) bool {
	if line.Time == 0 {
		return false
	}
	if h := line.Hash(); h != p.echo {
		p.echo, p.echoes = h, 0
	}
	p.again.Reset()
	if p.echoes++; p.echoes < enoughEchoes {
		return false
	}
	p.follower.pending, p.err = line, nil
	return true
}

// settlePending appends a last line without an end once two reads have given the same one. fresh: this read changed
// something, so another must follow.
func (p *proof) settlePending() (fresh bool) {
	f := p.follower
	line := f.pending
	if line.Time == 0 || f.empty { // no second read gives what stands in a file before this one; see proven
		return false
	}
	if p.pending.Hash() != line.Hash() {
		p.pending = line
		return true
	}
	if o := f.overlap; o != nil && o.missed() {
		f.unserved(line.Time)
	}
	if err := f.appendAlone(line); err != nil {
		p.err = err
		return true
	}
	p.pending, f.pending = archive.Line{}, archive.Line{}
	return false
}

// tailMatches compares the last record of the file with the last line held. Where they differ the file is read whole:
// the lines between may have times before since.
func (p *proof) tailMatches(ctx context.Context, r Request) bool {
	f := p.follower
	if p.whole {
		return true
	}
	line, ok := f.peek(ctx, Request{Previous: r.Previous, Tail: 1})
	if ok && f.tail.is(line) || !ok && f.log.Summary().Lines == 0 {
		return true
	}
	p.whole = true
	return false
}

// proven ends a log whose end was read and adds nothing more.
func (f *Follower) proven() error {
	if err := f.settleRotation(); err != nil {
		return err
	}
	if err := f.countNewest(); err != nil {
		return err
	}
	stood := f.empty && f.stoodAtEnd()
	if err := f.lastWords(); err != nil {
		return err
	}
	// Where nothing was held before the last words, nothing vouches for what stood behind them either.
	first := f.overlap == nil && f.empty && f.log.Summary().Lines > 0
	if o := f.overlap; first || o != nil && !o.found && !o.gapped {
		if stood {
			f.log.Rotated()
		} else {
			f.unserved(0)
		}
	}
	// An empty file proves an empty log only where it is the first one.
	if f.log.Summary().Lines == 0 {
		if g, late := f.lateStart(0); late {
			f.gap(g)
		}
	}
	return nil
}

// unproven ends a log that cannot be read any more, with the reason as far as the pod tells it.
func (p *proof) unproven(seen pods.Sight) error {
	f, last := p.follower, p.err
	if err := p.lastWords(); err != nil {
		return err
	}
	if err := f.settleRotation(); err != nil {
		return err
	}
	g := archive.Gap{From: f.log.Summary().Last, Reason: reasonOf(seen), Unproven: true}
	if errors.Is(last, spool.ErrFull) {
		g.Reason, g.Unproven = archive.GapSpoolFull, false
	}
	g.Detail = "the end of the log could not be read again to prove that nothing is missing"
	if last != nil {
		g.Detail = fmt.Sprintf("%s: %v", g.Detail, last)
	}
	f.gapHere(g)
	return nil
}

// lastWords keeps a last line that was served without an end and never again.
func (p *proof) lastWords() error {
	f := p.follower
	if f.pending.Time == 0 {
		f.pending = p.pending
	}
	if err := f.lastWords(); !errors.Is(err, spool.ErrFull) {
		return err
	}
	return nil
}
