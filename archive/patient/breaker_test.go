package patient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/pause"
)

var errStore = errors.New("no answer")

func testBreaker() *breaker { return newBreaker(slog.New(slog.DiscardHandler), func(error) {}) }

func TestBreakerTakesAnswers(t *testing.T) {
	b := testBreaker()
	for _, want := range []error{nil, archive.ErrExists, archive.ErrNotFound, archive.ErrDamaged, archive.ErrKey, errors.ErrUnsupported, errSpoolFile} {
		calls := 0
		err := b.do(t.Context(), "test", func(context.Context) error {
			calls++
			if want == nil {
				return nil
			}
			return fmt.Errorf("get x: %w", want)
		})
		if !errors.Is(err, want) || calls != 1 || !b.ok() {
			t.Errorf("%v: got %v after %d calls, ok %t", want, err, calls, b.ok())
		}
	}
}

// TestBreakerGivesUpWhatIsRefused has a request fail for itself, while others work. Its caller is free again after a
// while.
func TestBreakerGivesUpWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, done := testBreaker(), make(chan struct{})
		var others sync.WaitGroup
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(100 * time.Millisecond):
					_ = b.do(t.Context(), "others", func(context.Context) error { return nil }) // always works
				}
			}
		})
		begin := time.Now()
		err := b.put(t.Context(), "poison", func(context.Context) error { return errStore })
		if took := time.Since(begin); !errors.Is(err, ErrRefused) || !errors.Is(err, errStore) || took > 5*time.Minute {
			t.Errorf("got %v after %s, want that it is refused, within five minutes", err, took)
		}
		time.Sleep(time.Minute)
		close(done)
		others.Wait()
		if !b.ok() {
			t.Error("the store counts as in trouble, and works for others")
		}
	})
}

// TestBreakerProbesOneAtATime lets a store that answers slowly be in trouble for an hour.
func TestBreakerProbesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker()
		end := time.Now().Add(time.Hour)
		var mu sync.Mutex
		running, most, calls := 0, 0, 0
		op := func(context.Context) error {
			mu.Lock()
			running++
			calls++
			if !b.ok() { // all were let in before the first of them failed
				most = max(most, running)
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			if time.Now().Before(end) {
				return errStore
			}
			return nil
		}
		var all sync.WaitGroup
		all.Go(func() { _ = b.do(t.Context(), "first", op) })
		time.Sleep(2 * time.Second)
		for range 50 {
			all.Go(func() {
				if err := b.do(t.Context(), "test", op); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if most != 1 {
			t.Errorf("%d probes at once, want 1", most)
		}
		if most := 51 + 20 + int(time.Hour/(lastPause/2)); calls > most {
			t.Errorf("%d calls in an hour, want at most %d", calls, most)
		}
		if late := time.Since(end); late > lastPause+5*time.Second {
			t.Errorf("all were done %s after the end", late)
		}
	})
}

// TestBreakerOutlivesOneBadRequest: a request that always fails for a reason of its own slows the others down, no more.
func TestBreakerOutlivesOneBadRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker()
		ctx, cancel := context.WithCancel(t.Context())
		var bad sync.WaitGroup
		tries := 0
		bad.Go(func() {
			if err := b.do(ctx, "bad", func(context.Context) error { tries++; return errStore }); !errors.Is(err, context.Canceled) {
				t.Errorf("the bad request ended with %v", err)
			}
		})
		time.Sleep(time.Minute)
		began := time.Now()
		for range 1000 {
			if err := b.do(t.Context(), "good", func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 4*time.Minute {
			t.Errorf("1000 requests of 0.1 s beside a bad one took %s", took)
		}
		cancel()
		bad.Wait()
		if tries > 100 {
			t.Errorf("the bad request was tried %d times in some minutes", tries)
		}
		if err := b.do(t.Context(), "good", func(context.Context) error { return nil }); err != nil || !b.ok() {
			t.Errorf("after it: %v, ok %t", err, b.ok())
		}
	})
}

// TestBreakerGivesTheTurnBack: a caller that goes away in the middle of an outage leaves the probing to the others.
func TestBreakerGivesTheTurnBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker()
		end := time.Now().Add(10 * time.Minute)
		op := func(ctx context.Context) error {
			if err := pause.For(ctx, time.Second); err != nil {
				return err
			}
			if time.Now().Before(end) {
				return errStore
			}
			return nil
		}
		var all sync.WaitGroup
		for n := range 30 {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if n > 0 {
				time.AfterFunc(time.Duration(n)*17*time.Second, cancel)
			}
			all.Go(func() {
				err := b.do(ctx, "test", op)
				if left := n > 0 && ctx.Err() != nil; (err != nil) != left {
					t.Errorf("caller %d, gone %t: %v", n, left, err)
				}
			})
		}
		all.Wait()
		if late := time.Since(end); late > lastPause+5*time.Second || !b.ok() {
			t.Errorf("done %s after the end, ok %t", late, b.ok())
		}
	})
}
