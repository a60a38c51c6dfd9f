package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/pause"
	"github.com/epilogue-dev/epilogue/watch/api"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Looker looks at the pod of an instance.
type Looker interface {
	// Look says what is known of the instance now. The cache will do for most questions; live asks the API server where
	// the cache could be behind in a way that matters.
	Look(ctx context.Context, i archive.Instance, live bool) (pods.Sight, error)
	// Changed gives a channel that is closed with the next change of the pod.
	Changed(i archive.Instance) <-chan struct{}
}

// Config says how patiently a log is followed.
type Config struct {
	StallAfter     time.Duration // quiet for so long: ask whether the stream hangs
	ReconnectAfter time.Duration // open the stream anew after so long; the kubelet cuts it at 4 h without a word
	SettleDelay    time.Duration // wait so long after an end: the last lines reach the kubelet's file after it
	GiveUpAfter    time.Duration // an ended log that cannot be read for so long is sealed as it is
	EndsAtOnce     time.Duration // so soon the stream of a container that has ended ends; 0: within 250 ms
}

// Follower reads the log of one instance, from what is held of it to the proof of its end. One goroutine owns it.
//
// How it reads follows from what the log API is: it addresses names and not instances, every break on the way looks
// like a proper end, errors come as text with status 200, and only the file that the container writes now is served.
type Follower struct {
	cfg    Config
	log    *spool.Log
	source Source
	looker Looker
	budget *Budget
	count  *metrics.Follow
	slog   *slog.Logger
	clock  *api.Clock // the one of the times at which containers start and write

	lines   *lineReader
	batch   batch
	overlap *overlap          // nil: everything that comes is new
	reason  archive.GapReason // why a gap that opens now would be there
	pending archive.Line      // the last line of the last answer, which no newline ended; its Text is a copy
	piece   int               // so many pieces of its line came before it
	follows bool              // it stands right behind the last line held
	left    openPiece         // that of the answer before
	joined  int64             // the line that comes goes on with a held one of this time; 0: with none
	parted  int64             // the last line of a stream that came in parts is the one of this number
	// so many lines were held when this process began to read
	recalled int64
	// when the line that has no end so far was taken up last, or its first bytes came; zero: none did
	grown    time.Time
	served   int64      // the time of the line that this answer served last
	first    int64      // that of the first line that this reading brought
	tail     tailMark   // the last line held
	seen     pods.Sight // the last look
	resumed  bool       // the log was read on from a time: what lies before that time was not looked at again
	ended    bool       // the last stream ended as that of a container does that has ended
	stayed   stayed     // what the last stream shows that was there while the container ran
	began    time.Time  // when the last stream's answer began to be read
	empty    bool       // the last answer was whole and empty
	opens    int64      // the time of its first line; 0: it had none
	newest   int64      // that of the first record of the file that was there at the end; 0: not known
	begins   fileSeam   // of the file that was asked for as a whole last
	empties  int        // how often in a row the file was found empty where its first record was asked for
	counted  int        // bytes that the log was told of as held here
	over     time.Time  // when its pod was first seen over by its phase while it ran; zero: never
	heard    heard
	behind   bool         // there may be lines behind such a time: the file must be read from its start
	since    atomic.Int64 // of the stream that is open
	stuckOn  uint64       // the last record of the file at the last stall; owned by the minder
	silence  leadSilence
	rotation rotationWatch
	burst    chan struct{} // wakes the minder
	dozing   dozing
}

// Parts are what a Follower works with.
type Parts struct {
	Source Source
	Budget *Budget
	Looker Looker
	Count  *metrics.Follow
	Log    *slog.Logger
	Clock  *api.Clock // the API server's; nil: this machine's is as good
}

// New makes the Follower of a log. Nothing is read before Run.
func New(cfg Config, log *spool.Log, parts Parts) *Follower {
	return &Follower{
		cfg: cfg, log: log, source: parts.Source, looker: parts.Looker, budget: parts.Budget, count: parts.Count,
		slog: parts.Log, clock: parts.Clock, lines: newLineReader(), burst: make(chan struct{}, 1),
	}
}

// Run follows until the instance has ended and what can be proven is proven; every doubt is a gap in the log then. It
// returns the context's error when that ends first, and the log goes on from there another time.
func (f *Follower) Run(ctx context.Context) (err error) {
	defer func() {
		f.log.Reading(0)
		// A log that was read to its end is sealed next, which puts the rest where it belongs; a flush would only make
		// a file of it that is read again at once.
		if err != nil {
			f.flush()
			f.leave(ctx)
		}
	}()
	i := f.log.Instance()
	if ended, err := f.Rejoin(ctx); ended || err != nil {
		return followError(i, err)
	}
	f.recalled = f.log.Summary().Lines
	again := pause.Backoff{First: 100 * time.Millisecond, Last: 5 * time.Second}
	for {
		changed := f.looker.Changed(i)
		seen, err := f.look(ctx, false)
		if err != nil {
			return err
		}
		if !f.runs(seen) {
			if runs, err := f.finish(ctx, seen); !runs {
				return err
			}
			continue
		}
		added, err := f.stream(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fatal := f.endured(ctx, err); fatal != nil {
			return fatal
		}
		f.slog.Debug("stream ended", "instance", i, "lines", added, "err", err)
		// An end proves nothing: it may be the container's, the kubelet's, the API server's or a balancer's.
		// So the log is opened again at once. Where that stream ends as soon as it is answered the container has most
		// likely ended, and the news of that is on its way.
		var stopped error
		switch {
		case f.brief(added):
			if !f.stayed.asksOn() {
				stopped = pause.Until(ctx, changed, newsWait)
			}
		case errors.Is(err, errHidden):
			f.behind = true
		case err == nil || errors.Is(err, errRenew) || errors.Is(err, errStalled):
			again.Reset()
		default:
			stopped = again.Wait(ctx)
		}
		if stopped != nil {
			return stopped
		}
	}
}

// open asks for the instance's log, by the names that the API knows.
func (f *Follower) open(ctx context.Context, r Request) (io.ReadCloser, error) {
	i := f.log.Instance()
	r.Namespace, r.Pod, r.Container = i.Namespace, i.Pod, i.Container
	return f.source.Open(ctx, r)
}

// newsWait is how long the kubelet may take to report that a container has ended.
const newsWait = 2 * time.Second

// recall takes up what an earlier process held.
func (f *Follower) recall() error {
	f.reason = archive.GapRotated
	line, ok, err := f.log.Last()
	if ok {
		f.tail.set(line)
		f.resumed = true
	}
	return err
}

// endured waits out what is not the source's trouble: a spool without room. Any other error of the disk is returned.
func (f *Follower) endured(ctx context.Context, err error) error {
	if _, disk := errors.AsType[*spoolError](err); !disk {
		return nil
	}
	if !errors.Is(err, spool.ErrFull) {
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

func wrapSpool(err error) error {
	if err == nil {
		return nil
	}
	return &spoolError{err}
}

func (f *Follower) flush() {
	if err := f.log.Flush(); err != nil && !errors.Is(err, spool.ErrFull) {
		f.slog.Error("flush log", "instance", f.log.Instance(), "err", err)
	}
}

// look asks until it gets an answer: without one nothing can be decided.
func (f *Follower) look(ctx context.Context, live bool) (pods.Sight, error) {
	again := pause.Backoff{First: 100 * time.Millisecond, Last: 5 * time.Second}
	for {
		s, err := f.looker.Look(ctx, f.log.Instance(), live)
		if err == nil {
			f.seen = s
			return s, nil
		}
		f.slog.Debug("look at pod", "instance", f.log.Instance(), "err", err)
		if err := again.Wait(ctx); err != nil {
			return pods.Sight{}, err
		}
	}
}

// stream follows until the stream ends or is ended. A slot of the budget is held meanwhile.
func (f *Follower) stream(ctx context.Context) (added int64, err error) {
	before := f.stayed
	f.stayed, f.ended = stayed{}, false
	release, err := f.budget.Stream(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	// A stream begins with the newest file and hides one that the stream before has skipped.
	if f.rotation.due(true) && !f.probe(ctx) {
		return 0, errNoHead
	}
	f.rotation.opened(time.Now(), f.log.Summary().Last)
	f.tail.opened()
	added, err = f.minded(ctx)
	f.ended = err == nil
	f.noteStay(added, before)
	if f.rotation.due(true) && ctx.Err() == nil {
		f.probe(ctx) // it may be the last stream
	}
	return added, err
}

// minded reads a stream that is minded from beside.
func (f *Follower) minded(ctx context.Context) (added int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := f.untilReported(ctx)
	defer stop()
	wait := f.watchStream(ctx, cancel)
	defer wait()
	defer cancel(nil)
	added, err = f.read(ctx, Request{Follow: true, All: f.behind})
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		err = cause
	}
	return added, err
}
