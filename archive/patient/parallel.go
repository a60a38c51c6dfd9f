package patient

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Lock takes the one token out of a channel; whoever has it puts it back. It is a mutex that a context ends the waiting
// for, with its error.
func Lock(ctx context.Context, token chan struct{}) error {
	select {
	case <-token:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AtOnce is how many small requests run at once.
const AtOnce = 16

// Parallel calls f for 0 to n-1, AtOnce at once, and returns the first error, with which the others' context ends.
func Parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	switch n { // most often
	case 0:
		return nil
	case 1:
		return f(ctx, 0)
	}
	some, ctx := errgroup.WithContext(ctx)
	some.SetLimit(AtOnce)
	for i := range n {
		some.Go(func() error { return f(ctx, i) })
	}
	return some.Wait()
}
