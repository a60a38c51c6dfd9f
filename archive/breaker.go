package archive

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// breaker repeats what goes to the store until it works. While the store is in trouble one caller probes it, with
// growing pauses, and all others wait: an outage costs the store one request at a time, and its end is found at once.
// Nothing is final but what the store itself says of an object: a bucket that is missing or forbidden today may be there
// tomorrow, and giving up would lose the log.
type breaker struct {
	log    *slog.Logger
	failed func(error) // counts each failed try

	mu      sync.Mutex
	healthy chan struct{} // guarded by mu; nil: no trouble; else closed when it is over
}

const (
	firstPause = 200 * time.Millisecond
	lastPause  = 30 * time.Second
)

// do calls f until it returns nil or an answer (ErrExists, ErrNotFound), or the context ends.
func (b *breaker) do(ctx context.Context, what string, f func(context.Context) error) error {
	for {
		if err := b.wait(ctx); err != nil {
			return err
		}
		err := f(ctx)
		if err == nil || isAnswer(err) || ctx.Err() != nil {
			return err
		}
		b.failed(err)
		if !b.trip() {
			continue // somebody else probes
		}
		b.log.Warn("store is in trouble; trying until it works", "op", what, "err", err)
		err = b.probe(ctx, f)
		b.reset()
		return err
	}
}

// isAnswer: the store answered, and trying again would get the same.
func isAnswer(err error) bool { return errors.Is(err, ErrExists) || errors.Is(err, ErrNotFound) }

func (b *breaker) probe(ctx context.Context, f func(context.Context) error) error {
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		err := f(ctx)
		if err == nil || isAnswer(err) {
			b.log.Info("store works again", "elapsed", time.Since(start))
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		b.failed(err)
	}
}

func (b *breaker) wait(ctx context.Context) error {
	b.mu.Lock()
	healthy := b.healthy
	b.mu.Unlock()
	if healthy == nil {
		return ctx.Err()
	}
	select {
	case <-healthy:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// trip makes the caller the one that probes, if there is none yet.
func (b *breaker) trip() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.healthy != nil {
		return false
	}
	b.healthy = make(chan struct{})
	return true
}

func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.healthy)
	b.healthy = nil
}

// ok says whether the store answered last.
func (b *breaker) ok() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.healthy == nil
}
