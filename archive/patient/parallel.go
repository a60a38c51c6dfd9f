package patient

import (
	"context"
	"errors"
	"sync"
)

// Lock takes the one token out of a channel; who has it puts it back. It is a mutex that a context ends the waiting
// for, with its error.
func Lock(ctx context.Context, token chan struct{}) error {
	select {
	case <-token:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AtOnce is how many small requests of a takeover run at once.
const AtOnce = 16

// Parallel calls f for 0 to n-1, some at once, and gives the first error.
func Parallel(n int, f func(int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}
