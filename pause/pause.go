// Package pause waits: for a time or the end of a context, whichever is first.
package pause

import (
	"context"
	"time"
)

// For waits so long. Its error is the context's, where that ends before.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Doubling is for what is tried again and again: each wait is twice as long as the one before.
type Doubling struct {
	Next time.Duration // of the next wait; at the begin, of the first
	Most time.Duration // of any
}

// Wait waits once. Its error is the context's, where that ends before.
func (d *Doubling) Wait(ctx context.Context) error {
	now := min(d.Next, d.Most)
	d.Next = min(2*now, d.Most)
	return For(ctx, now)
}
