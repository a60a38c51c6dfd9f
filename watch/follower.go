package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/metrics"
)

// Looker looks at the pod of an instance.
type Looker interface {
	// Look says what is known of the instance now. The cache will do for most questions; live asks the API server where the
	// cache could be behind in a way that matters.
	Look(ctx context.Context, i archive.Instance, live bool) (Sight, error)
	// Changed gives a channel that is closed with the next change of the pod.
	Changed(i archive.Instance) <-chan struct{}
}

// FollowConfig says how patiently a log is followed.
type FollowConfig struct {
	StallAfter     time.Duration // quiet for so long: ask whether the stream hangs
	ReconnectAfter time.Duration // open the stream anew after so long; the kubelet cuts it at 4 h without a word
	SettleDelay    time.Duration // wait so long after an end: the last lines reach the kubelet's file after it
	GiveUpAfter    time.Duration // an ended log that cannot be read for so long is sealed as it is
}

// Follower reads the log of one instance, from what is held of it to the proof of its end. One goroutine owns it.
//
// How it reads follows from what the log API is: it addresses names and not instances, every break on the way looks like
// a proper end, errors come as text with status 200, and only the file that the container writes now is served.
type Follower struct {
	cfg    FollowConfig
	log    *archive.Log
	source Source
	looker Looker
	budget *Budget
	count  *metrics.Follow
	slog   *slog.Logger

	lines     *lineReader
	batch     []archive.Line
	overlap   *overlap          // nil: everything that comes is new
	reason    archive.GapReason // why a gap that opens now would be there
	pending   archive.Line      // the last line of the last answer, which no newline ended; its Text is a copy
	served    int64             // the time of the line that this answer served last
	tail      tailMark          // the last line held
	begun     bool              // noteStart was called
	lateAfter time.Time         // when the instance started, if reading began long after that
	rotation  rotationWatch
}

func newFollower(cfg FollowConfig, log *archive.Log, parts Parts, looker Looker) *Follower {
	return &Follower{
		cfg: cfg, log: log, source: parts.Source, looker: looker, budget: parts.Budget, count: parts.Follow, slog: parts.Log,
		lines: newLineReader(),
	}
}

// Run follows until the instance has ended and what can be proven is proven; every doubt is a gap in the log then. It
// returns the context's error when that ends first, and the log goes on from there another time.
func (f *Follower) Run(ctx context.Context) error {
	defer f.flush()
	i := f.log.Instance()
	if err := f.recall(); err != nil {
		return fmt.Errorf("follow %s: %w", i, err)
	}
	pause := backoff{first: 100 * time.Millisecond, last: 5 * time.Second}
	for {
		changed := f.looker.Changed(i)
		seen, err := f.look(ctx, false)
		if err != nil {
			return err
		}
		f.noteStart(seen)
		if !seen.Running || !seen.Current {
			return f.finish(ctx, seen)
		}
		opened := time.Now()
		added, err := f.stream(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fatal := f.endured(ctx, err); fatal != nil {
			return fatal
		}
		f.slog.Debug("stream ended", "instance", i, "lines", added, "err", err)
		// An end proves nothing: it may be the container's, the kubelet's, the API server's or a balancer's.
		// So the log is opened again at once. A stream that brings nothing and ends at once is most likely that of a
		// container which has ended, and the news of that is on its way.
		switch {
		case err == nil && added == 0 && time.Since(opened) < newsWait:
			err = await(ctx, changed, newsWait)
		case err == nil || errors.Is(err, errRenew) || errors.Is(err, errStalled):
			pause.reset()
		default:
			err = pause.wait(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// newsWait is how long the kubelet may take to report that a container has ended.
const newsWait = 2 * time.Second

// await waits for the channel to be closed, but not for long.
func await(ctx context.Context, closed <-chan struct{}, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// recall takes up what an earlier process held.
func (f *Follower) recall() error {
	f.reason = archive.GapRotated
	line, ok, err := f.log.Last()
	if ok {
		f.tail.set(line)
	}
	return err
}

// noteStart remembers that reading begins so late that the log's first file may have been rotated away.
func (f *Follower) noteStart(seen Sight) {
	if f.begun {
		return
	}
	f.begun = true
	started := seen.startedAt(f.log.Instance())
	if f.log.Summary().Lines == 0 && !started.IsZero() && time.Since(started) > promptly {
		f.lateAfter = started
	}
}

// promptly: a log whose reading begins sooner cannot have been rotated before.
const promptly = 3 * time.Second

// endured waits out what is not the source's trouble: a spool without room. Any other error of the disk is returned.
func (f *Follower) endured(ctx context.Context, err error) error {
	var disk *spoolError
	if !errors.As(err, &disk) {
		return nil
	}
	if !errors.Is(err, archive.ErrSpoolFull) {
		return fmt.Errorf("follow %s: %w", f.log.Instance(), err)
	}
	f.reason = archive.GapSpoolFull
	f.count.SpoolFull.Inc()
	return f.budget.Room(ctx)
}

// spoolError sets an error of Append apart from those of the stream.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

func (f *Follower) flush() {
	if err := f.log.Flush(); err != nil && !errors.Is(err, archive.ErrSpoolFull) {
		f.slog.Error("flush log", "instance", f.log.Instance(), "err", err)
	}
}

// look asks until it gets an answer: without one nothing can be decided.
func (f *Follower) look(ctx context.Context, live bool) (Sight, error) {
	pause := backoff{first: 100 * time.Millisecond, last: 5 * time.Second}
	for {
		s, err := f.looker.Look(ctx, f.log.Instance(), live)
		if err == nil {
			return s, nil
		}
		f.slog.Debug("look at pod", "instance", f.log.Instance(), "err", err)
		if err := pause.wait(ctx); err != nil {
			return Sight{}, err
		}
	}
}

// stream follows until the stream ends or is ended. A slot of the budget is held meanwhile.
func (f *Follower) stream(ctx context.Context) (added int64, err error) {
	release, err := f.budget.Stream(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	wait := f.watchStream(ctx, cancel)
	defer wait()
	defer cancel(nil)
	added, err = f.read(ctx, Request{Follow: true})
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		err = cause
	}
	return added, err
}

// read takes one answer of the API into the log: what is held is passed over, the rest is appended. It returns how many
// lines were new, and nil where the answer ended properly, which for a follow proves nothing.
func (f *Follower) read(ctx context.Context, r Request) (added int64, err error) {
	i := f.log.Instance()
	r.Namespace, r.Pod, r.Container = i.Namespace, i.Pod, i.Container
	if err := f.prepare(ctx, &r); err != nil {
		return 0, err
	}
	f.count.Opened.Inc()
	body, err := f.source.Open(ctx, r)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	f.lines.reset()
	f.served = 0
	before := f.log.Summary().Lines
	for err == nil {
		var n int
		n, err = body.Read(f.lines.room())
		f.lines.took(n)
		f.count.BytesRead.Add(float64(n))
		f.rotation.total.Add(int64(n))
		if terr := f.take(r); terr != nil {
			return f.log.Summary().Lines - before, terr
		}
	}
	if errors.Is(err, io.EOF) {
		err = f.remainder()
	}
	return f.log.Summary().Lines - before, err
}

// prepare chooses where the answer begins and takes up what is held from there on.
func (f *Follower) prepare(ctx context.Context, r *Request) (err error) {
	from := since(f.resumeTime(f.log.Summary()))
	if !r.All {
		r.Since = from
	} else if first, ok := f.peek(ctx, Request{Previous: r.Previous, Limit: longestStamp + 1}); ok {
		// The whole file is compared, so what is held of it must be known whole: from its first record on, and from
		// well before that, for the clock may have been set back inside it.
		from = min(from, first.Time-int64(10*time.Minute))
	}
	if f.overlap, err = newOverlap(f.log, from); err != nil {
		return &spoolError{err}
	}
	return nil
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
func (f *Follower) take(r Request) error {
	f.batch = f.batch[:0]
	if err := f.rotated(); err != nil {
		return err
	}
	for {
		first := !f.lines.started
		line, stamped, ok := f.lines.next()
		if !ok {
			return f.append()
		}
		// Where since falls inside a split line the answer begins with the rest of it, without a time. The whole line is
		// held: it began before since, and since lies before the last held line.
		if first && !stamped && r.Since > 0 {
			continue
		}
		again, err := f.servedAgain(line)
		if err != nil {
			return err
		}
		if again || f.overlap != nil && f.passed(line) {
			continue
		}
		if len(f.rotation.expected) > 0 {
			f.expect(line)
		}
		f.batch = append(f.batch, line)
	}
}

// servedAgain finds a repetition inside one answer. A reader that was slow across several rotations is served the newest
// file from its start once for each of them: the stream steps back to a line that is held already. What follows is then
// compared like the answer to a new request.
func (f *Follower) servedAgain(line archive.Line) (bool, error) {
	before := f.served
	if line.Time != 0 {
		f.served = line.Time
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
	if f.overlap, err = newOverlap(f.log, line.Time); err != nil {
		return false, &spoolError{err}
	}
	return f.overlap.have(line), nil
}

func wrapSpool(err error) error {
	if err == nil {
		return nil
	}
	return &spoolError{err}
}

const notServed = "the last line held was no longer served when reading went on"

// passed says that the line is held already; where it is new and the sentinel was not met, the gap is written first.
func (f *Follower) passed(line archive.Line) bool {
	o := f.overlap
	if o.have(line) {
		return true
	}
	if o.missed(line) {
		if err := f.append(); err == nil {
			f.gapHere(archive.Gap{From: o.last, To: line.Time, Reason: f.reason, Detail: notServed})
		}
	}
	if o.spent(line) {
		f.overlap = nil
		f.reason = archive.GapRotated
	}
	return false
}

// gapHere writes a gap after the lines that are held now.
func (f *Follower) gapHere(g archive.Gap) {
	g.AfterLine = f.log.Summary().Lines
	f.gap(g)
}

func (f *Follower) gap(g archive.Gap) {
	f.log.Gap(g)
	f.count.Gaps.WithLabelValues(string(g.Reason)).Inc()
	f.slog.Warn("gap in log", "instance", f.log.Instance(), "after_line", g.AfterLine, "reason", g.Reason, "detail", g.Detail)
}

// append gives the batch to the log.
func (f *Follower) append() error {
	if len(f.batch) == 0 {
		return nil
	}
	n, err := f.log.Append(f.batch...)
	if n > 0 {
		f.tail.set(f.batch[n-1])
		f.count.Lines.Add(float64(n))
	}
	f.batch = f.batch[:0]
	if err != nil {
		return &spoolError{err}
	}
	return nil
}

// errText is what the kubelet wrote into the body of an answer whose status was 200.
type errText struct{ text string }

func (e *errText) Error() string { return "kubelet answered: " + e.text }

// removed: the kubelet said that it has no such log any more. It says so too while it starts, so once is no proof.
func (e *errText) removed() bool {
	return strings.HasPrefix(e.text, "unable to retrieve container logs")
}

// kubeletTexts are the starts of what the kubelet writes into an answer when reading fails in the middle.
var kubeletTexts = []string{
	"unable to retrieve container logs for ", "failed to create fsnotify watcher: ", "failed to open log file ",
	"rpc error: code = ", "failed to try resolving symlinks in path ", "failed to get container status ",
}

// remainder judges what stands after the last newline: text without a time is the kubelet's error or a time that was cut,
// and no part of the log; a line that no newline ended may have been cut too, and stays pending until it comes again.
func (f *Follower) remainder() error {
	f.pending = archive.Line{}
	line, stamped, ok := f.lines.remainder()
	if !ok {
		return nil
	}
	if !stamped {
		return &errText{string(line.Text[:min(len(line.Text), 300)])}
	}
	for _, start := range kubeletTexts {
		if at := strings.Index(string(line.Text), start); at >= 0 {
			return &errText{string(line.Text[at:min(len(line.Text), at+300)])}
		}
	}
	if f.overlap != nil && f.overlap.have(line) {
		return nil // a final line without an end that is held already
	}
	line.Text = append([]byte(nil), line.Text...)
	f.pending = line
	return nil
}

// backoff waits ever longer, with jitter so that the followers of a node that went away do not come back as one.
type backoff struct {
	first, last, next time.Duration
}

func (b *backoff) reset() { b.next = 0 }

func (b *backoff) wait(ctx context.Context) error {
	b.next = max(b.first, min(b.next, b.last))
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2+1))
	b.next *= 2
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
