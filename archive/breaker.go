package archive

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// breaker repeats what goes to the store until it works. While the store is in trouble one caller at a time probes it,
// with growing pauses, and all others wait: an outage costs the store one request now and then, and its end is found
// soon. Nothing is final but what the store itself says of an object: a bucket that is missing or forbidden today may be
// there tomorrow, and giving up would lose the log.
//
// The callers take turns at probing, so that a request which fails for a reason of its own cannot keep the others from
// finding out that the store works.
type breaker struct {
	log    *slog.Logger
	failed func(error)   // counts each failed try
	turn   chan struct{} // holds one token; who has it may probe

	mu      sync.Mutex
	healthy chan struct{} // guarded by mu; nil: no trouble; else closed when it is over
	pause   time.Duration // guarded by mu; before the next probe
	since   time.Time     // guarded by mu; start of the trouble
}

const (
	firstPause = 200 * time.Millisecond
	lastPause  = 30 * time.Second
)

func newBreaker(log *slog.Logger, failed func(error)) *breaker {
	b := &breaker{log: log, failed: failed, turn: make(chan struct{}, 1)}
	b.turn <- struct{}{}
	return b
}

// do calls f until it returns nil or an answer, or the context ends.
func (b *breaker) do(ctx context.Context, what string, f func(context.Context) error) error {
	for own := firstPause; ; {
		probing, err := b.enter(ctx)
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
		if !probing {
			// Failed while the store worked for others: this request may be the trouble.
			if err := sleep(ctx, own); err != nil {
				return err
			}
			own = min(2*own, lastPause)
		}
	}
}

// isAnswer: the store or the disk answered, and trying again would get the same.
func isAnswer(err error) bool {
	for _, answer := range []error{ErrExists, ErrNotFound, ErrDamaged, errors.ErrUnsupported, errSpoolFile} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// enter returns when the store works, or when it is the caller's turn to probe it; the caller gives the turn back then.
func (b *breaker) enter(ctx context.Context) (probing bool, err error) {
	healthy, _ := b.state()
	if healthy == nil {
		return false, ctx.Err()
	}
	select {
	case <-healthy:
		return false, ctx.Err()
	case <-ctx.Done():
		return false, ctx.Err()
	case <-b.turn:
	}
	healthy, pause := b.state()
	if healthy != nil {
		err = sleep(ctx, pause/2+rand.N(pause/2))
	}
	if err != nil || healthy == nil {
		b.turn <- struct{}{}
		return false, err
	}
	return true, nil
}

func (b *breaker) state() (healthy chan struct{}, pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.healthy, b.pause
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *breaker) trouble(what string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.healthy != nil {
		b.pause = min(2*b.pause, lastPause)
		return
	}
	b.healthy, b.pause, b.since = make(chan struct{}), firstPause, time.Now()
	b.log.Warn("store is in trouble; trying until it works", "op", what, "err", err)
}

func (b *breaker) works() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.healthy == nil {
		return
	}
	close(b.healthy)
	b.healthy = nil
	b.log.Info("store works again", "elapsed", time.Since(b.since))
}

// ok says whether the store answered last.
func (b *breaker) ok() bool {
	healthy, _ := b.state()
	return healthy == nil
}
