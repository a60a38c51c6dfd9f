package pause

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is for what is tried again and again: each wait is twice as long as the one before, from First to Last.
type Backoff struct {
	First, Last time.Duration
	// Even leaves out the jitter, with which those who lost the same thing at once do not come back as one.
	Even bool

	next time.Duration
}

// Reset begins anew.
func (b *Backoff) Reset() { b.next = 0 }

// Wait waits once, with jitter for half of its time at least. Its error is the context's, where that ends before.
func (b *Backoff) Wait(ctx context.Context) error {
	now := min(max(b.First, b.next), b.Last)
	b.next = 2 * now
	if !b.Even {
		now = now/2 + rand.N(now/2+1)
	}
	return For(ctx, now)
}
