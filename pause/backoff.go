package pause

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff waits ever longer, with jitter so that those who lost the same thing at once do not come back as one. The
// zero wait is First, which is doubled up to Last.
type Backoff struct {
	First, Last, next time.Duration
}

// Reset begins anew.
func (b *Backoff) Reset() { b.next = 0 }

// Wait waits once, for half of its time at least. Its error is the context's, where that ends before.
func (b *Backoff) Wait(ctx context.Context) error {
	b.next = max(b.First, min(b.next, b.Last))
	now := b.next/2 + rand.N(b.next/2+1)
	b.next *= 2
	return For(ctx, now)
}
