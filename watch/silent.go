package watch

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// leadSilence is what is known of the time before the first line of a log. While nothing is held no sentinel can tell whether an
// answer begins where the log does: its first file may have been rotated away.
type leadSilence struct {
	until time.Time // the log had no line so far; zero: not known
	late  time.Time // reading began so long after this time that a file may have come and gone; zero: it did not
	left  time.Time // the log had no line when it was left to whoever reads on; zero: not known
}

// promptly: a log whose reading begins sooner cannot have been rotated before.
const promptly = 3 * time.Second

// noteStart remembers that an answer began, with nothing held so far, so late that the log's first file may have been
// rotated away. Each such answer counts, for the one before it may have brought nothing; but a stream that ended without
// a line shows that there was none until then. Only a container that runs has its log rotated.
func (f *Follower) noteStart() {
	from, until := f.seen.startedAt(f.log.Instance()), time.Now()
	if from.IsZero() || !f.silence.late.IsZero() {
		return
	}
	if f.silence.until.After(from) {
		from = f.silence.until
	}
	if t := f.seen.Terminated; t != nil && t.FinishedAt.Time.Before(until) {
		until = t.FinishedAt.Time
	}
	if until.Sub(from) > promptly {
		f.silence.late = from
	}
}

// noteSilence takes the end of an answer: one that ended, or that was ended here while it did not hang, has brought all lines
// until now. Whether it brought any does not matter: once something is held nobody asks for the silence before it. But one that
// ended inside the log's first line shows that there is a line, and of that nothing is held.
func (f *Follower) noteSilence(ctx context.Context, err error) {
	whole := err == nil && !f.lines.unfinished()
	if ctx.Err() != nil {
		whole = !errors.Is(context.Cause(ctx), errStalled) && !f.lines.unfinished()
	}
	if whole && f.silence.late.IsZero() {
		f.silence.until = time.Now()
	}
}

// judgeStart writes a gap before the first line of a log whose reading began late, unless that line is as old as the
// instance, or the last silence: only then it is the first one that was ever written. It is written with the line, so that a
// crash loses both or neither.
func (f *Follower) judgeStart(first archive.Line) {
	if late := f.silence.late; late.IsZero() || first.Time-late.UnixNano() <= int64(promptly) {
		return
	}
	f.gap(archive.Gap{To: first.Time, Reason: archive.GapLateStart, Unproven: true, Detail: lateStart})
}

const lateStart = "reading began long after the start, and earlier lines may have been rotated away"

// leaveLimit bounds how long a process that ends, or gives a log away, asks for it once more.
const leaveLimit = time.Second

// leave finds out whether the log still has no line, for whoever reads it on: another process cannot know that somebody read
// from the start. The stream alone does not prove it, for its connection may be dead since a moment ago; so the kubelet is asked.
func (f *Follower) leave(ctx context.Context) {
	if f.log.Summary().Lines > 0 || f.seen.startedAt(f.log.Instance()).IsZero() {
		return // or it did not come to a first look
	}
	f.noteStart()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveLimit)
	defer cancel()
	if now := time.Now(); f.silence.late.IsZero() && f.bare(ctx) {
		f.silence.left = now
	}
}

// bare says that the log was served and has no line.
func (f *Follower) bare(ctx context.Context) bool {
	body, err := f.open(ctx, Request{Tail: 1})
	if err != nil {
		return false
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(body, 1))
	return n == 0 && err == nil && ctx.Err() == nil
}

// leftSilent keeps in the pod's draft that an instance had no line when its follower ended. The draft goes with the pod: into the
// journal when the pod is handed over, and to the next process with the disk. A crash loses it, and then the start is in doubt.
func (w *Watcher) leftSilent(p *pod, i archive.Instance, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.silent == nil {
		p.silent = map[string]time.Time{}
	}
	p.silent[i.ContainerID] = at
	if err := w.parts.Spool.SaveDraft(p.draftNow(w.cfg.WorkloadLabels)); err != nil {
		w.log.Warn("save that a log has no line so far", "instance", i, "err", err)
	}
}
