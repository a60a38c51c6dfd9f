package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// leadSilence is what is known of the time before the first line of a log. While nothing is held no sentinel can tell
// whether an answer begins where the log does: its first file may have been rotated away, and nothing that the API
// serves tells a log that was silent so far from one that wrote a whole file, had it rotated away, and was silent
// since. So all depends on having been there.
type leadSilence struct {
	until time.Time     // the log had no line so far; zero: not known
	late  time.Time     // reading began so long after this time that a file may have come and gone; zero: it did not
	by    time.Duration // so long after it
	left  time.Time     // the log had no line when it was left to whoever reads on; zero: not known
}

// promptly: a log whose reading begins sooner is taken not to have been rotated before.
const promptly = 3 * time.Second

// noteStart remembers that an answer began, with nothing held so far, so late that the log's first file may have been
// rotated away. Each such answer counts, for the one before it may have brought nothing. Only a container that runs has
// its log rotated.
func (f *Follower) noteStart() {
	from, until := f.seen.StartedAt(f.log.Instance()), f.clock.Now()
	if from.IsZero() || !f.silence.late.IsZero() {
		return
	}
	if f.silence.until.After(from) {
		from = f.silence.until
	}
	if t := f.seen.Terminated; t != nil && t.FinishedAt.Time.Before(until) {
		until = t.FinishedAt.Time
	}
	if by := until.Sub(from); by > promptly {
		f.silence.late, f.silence.by = from, by
	}
}

// noteSilence takes the end of an answer: a stream that was ended here while it did not hang has brought all lines
// until now, if the kubelet, asked once more, has none. One that ended by itself proves nothing: its connection may
// have been dead from its start, and the line that it did not bring may be gone with its file. But where the container
// ended with it, it was there until that end; see lateStart. Whether it brought any line does not matter: once
// something is held nobody asks for the silence before it. But one that ended inside the log's first line shows that
// there is a line, and of that nothing is held.
func (f *Follower) noteSilence(ctx context.Context, a *answer, err error) {
	if !a.Follow || f.overlap != nil || f.log.Summary().Lines > 0 || f.lines.unfinished() || !f.silence.late.IsZero() {
		return
	}
	now := f.clock.Now()
	switch cause := context.Cause(ctx); {
	case cause == nil && err == nil:
		f.stayed.silent = true
	case errors.Is(cause, errRenew):
		if f.bare(context.WithoutCancel(ctx), probeLimit) {
			f.silence.until = now
		}
	case errors.Is(cause, context.Canceled): // the process ends in order, or gives the log away; see leave
		f.silence.until = now
	}
}

// lateStart returns the gap before the first line of a log, or in place of it where there is none, of a time of 0. ok
// is false where the start is not in doubt: nobody came late, or the line is as old as the instance, or as the last
// silence, for only then it is the first one that was ever written; or a stream that was there in time lasted until the
// container ended.
func (f *Follower) lateStart(first int64) (g archive.Gap, ok bool) {
	s := &f.silence
	if s.late.IsZero() || first != 0 && first-s.late.UnixNano() <= int64(promptly) {
		return archive.Gap{}, false
	}
	if f.seen.Terminated != nil && f.stayed.silent {
		return archive.Gap{}, false
	}
	g = archive.Gap{To: first, Reason: archive.GapLateStart, Unproven: true}
	g.Detail = fmt.Sprintf("reading began %s after the start, or after the log was last seen without a line", s.by.Round(time.Millisecond))
	if first != 0 {
		g.Detail += fmt.Sprintf(", and the first line that was served is %s younger than that", time.Unix(0, first).Sub(s.late).Round(time.Millisecond))
	}
	g.Detail += ": earlier ones may have been rotated away"
	return g, true
}

// judgeStart writes a gap before the first line of a log where the start is in doubt. It is written with the line, so
// that a crash loses both or neither.
func (f *Follower) judgeStart(first archive.Line) {
	if g, ok := f.lateStart(first.Time); ok {
		f.gap(g)
	}
}

// leaveLimit bounds how long a process that ends, or gives a log away, asks for it once more.
const leaveLimit = time.Second

// leave finds out whether the log still has no line, for whoever reads it on: another process cannot know that somebody
// read from the start. The stream alone does not prove it, for its connection may be dead since a moment ago; so the
// kubelet is asked.
func (f *Follower) leave(ctx context.Context) {
	if f.log.Summary().Lines > 0 || f.seen.StartedAt(f.log.Instance()).IsZero() {
		return // or it did not come to a first look
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return // this process may have stood still
	}
	f.noteStart()
	if now := f.clock.Now(); f.silence.late.IsZero() && f.bare(context.WithoutCancel(ctx), leaveLimit) {
		f.silence.left = now
	}
}

// bare reports whether the log was served within the limit and has no line.
func (f *Follower) bare(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	body, err := f.open(ctx, Request{Tail: 1})
	if err != nil {
		return false
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(body, 1))
	return n == 0 && err == nil && ctx.Err() == nil
}

// WasSilentUntil tells that the log had no line at that time: another follower was there and saw it.
func (f *Follower) WasSilentUntil(at time.Time) { f.silence.until = at }

// LeftSilentAt returns when the log was last seen without any line before Run returned, zero where that is not known.
func (f *Follower) LeftSilentAt() time.Time { return f.silence.left }
