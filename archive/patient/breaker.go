package patient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/pause"
)

// breaker repeats what goes to the store until it works. While the store is in trouble one caller at a time probes it,
// with growing pauses, and all others wait: an outage costs the store one request now and then, and its end is found
// soon. Nothing is final but what the store itself says of an object: a bucket that is missing or forbidden today may
// be there tomorrow, and giving up would lose the log.
//
// The callers take turns at probing, so that a request which fails for a reason of its own cannot keep the others from
// finding out that the store works.
type breaker struct {
	log    *slog.Logger
	failed func(error)   // counts each failed try
	turn   chan struct{} // holds one token; whoever has it may probe
	fresh  atomic.Int64  // callers that wait for their first turn
	worked atomic.Int64  // requests that did

	mu      sync.Mutex
	healthy chan struct{} // guarded by mu; nil: no trouble; else closed when it is over
	pause   time.Duration // guarded by mu; before the next probe
	began   time.Time     // guarded by mu; start of the trouble
}

const (
	firstPause = 200 * time.Millisecond
	lastPause  = 30 * time.Second
)

// newBreaker makes a breaker of a store that counts as well until a request fails. failed is called with each failed
// try, from any goroutine; what is only an answer (see do) is none.
func newBreaker(log *slog.Logger, failed func(error)) *breaker {
	b := &breaker{log: log, failed: failed, turn: make(chan struct{}, 1)}
	b.turn <- struct{}{}
	return b
}

// ErrRefused means that a request failed again and again while the store worked for others: its trouble is its own.
var ErrRefused = errors.New("the store refuses this request")

// errLater means that a request has failed often enough for now.
var errLater = errors.New("given up for now")

// mostOwn is how often a request may fail before its caller is free for another one.
const mostOwn = 4

// put is do for what is one of many, and has callers that come again later: it gives up, for now, what has failed
// often. Else as many requests of which the store takes none as there are callers would keep all others out.
func (b *breaker) put(ctx context.Context, what string, f func(context.Context) error) error {
	before := b.worked.Load()
	err := b.repeat(ctx, what, mostOwn, f)
	if errors.Is(err, errLater) && b.worked.Load() > before {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// do calls f until it returns nil or an answer, or the context ends. An answer is what the store says of an object, or
// of a request as such (ErrExists, ErrNotFound, ErrDamaged, ErrKey, ErrUnsupported), and what the disk does
// (ErrSpoolFile): it is returned, and trying again would not change it.
func (b *breaker) do(ctx context.Context, what string, f func(context.Context) error) error {
	return b.repeat(ctx, what, -1, f)
}

// repeat is do, for so many failures at most; -1: for ever.
func (b *breaker) repeat(ctx context.Context, what string, most int, f func(context.Context) error) error {
	for own, fresh := firstPause, true; ; fresh = false {
		probing, err := b.enter(ctx, fresh)
		if err != nil {
			return err
		}
		err = f(ctx)
		worked := err == nil || isAnswer(err)
		if !worked && ctx.Err() == nil {
			b.failed(err)
			b.trouble(what, err)
		}
		if worked {
			b.works()
		}
		if probing {
			b.turn <- struct{}{}
		}
		if worked || ctx.Err() != nil {
			return err
		}
		if most--; most == 0 {
			return fmt.Errorf("%w: %w", errLater, err)
		}
		if !probing {
			// Failed while the store worked for others: this request may be the trouble.
			if err := pause.For(ctx, own); err != nil {
				return err
			}
			own = min(2*own, lastPause)
		}
	}
}

// isAnswer: the store or the disk answered, and trying again would get the same.
func isAnswer(err error) bool {
	for _, answer := range []error{archive.ErrExists, archive.ErrNotFound, archive.ErrDamaged, archive.ErrKey, errors.ErrUnsupported, errSpoolFile} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// enter returns when the store works, or when it is the caller's turn to probe it; the caller gives the turn back then.
// A caller that is fresh, and has not failed yet, comes first: the others may be the trouble.
func (b *breaker) enter(ctx context.Context, fresh bool) (probing bool, err error) {
	healthy, _ := b.state()
	if healthy == nil {
		return false, ctx.Err()
	}
	if fresh {
		b.fresh.Add(1)
		defer b.fresh.Add(-1)
	}
	for mine := false; !mine; {
		select {
		case <-healthy:
			return false, ctx.Err()
		case <-ctx.Done():
			return false, ctx.Err()
		case <-b.turn:
			if mine = fresh || b.fresh.Load() == 0; !mine {
				b.turn <- struct{}{}
				runtime.Gosched()
			}
		}
	}
	healthy, wait := b.state()
	if healthy != nil {
		err = pause.For(ctx, wait/2+rand.N(wait/2))
	}
	if err != nil || healthy == nil {
		b.turn <- struct{}{}
		return false, err
	}
	return true, nil
}

func (b *breaker) state() (healthy chan struct{}, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.healthy, b.pause
}

func (b *breaker) trouble(what string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.healthy != nil {
		b.pause = min(2*b.pause, lastPause)
		return
	}
	b.healthy, b.pause, b.began = make(chan struct{}), firstPause, time.Now()
	b.log.Warn("store is in trouble; trying until it works", "op", what, "err", err)
}

func (b *breaker) works() {
	b.worked.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.healthy == nil {
		return
	}
	close(b.healthy)
	b.healthy = nil
	b.log.Info("store works again", "elapsed", time.Since(b.began))
}

// ok reports whether the store answered last.
func (b *breaker) ok() bool {
	healthy, _ := b.state()
	return healthy == nil
}
