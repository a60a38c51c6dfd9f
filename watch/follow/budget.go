package follow

import (
	"context"

	"golang.org/x/time/rate"
)

// Budget holds the ceilings that all followers share. The API server does not protect itself from log streams: they are
// outside its request limits and its fairness.
type Budget struct {
	slots chan struct{}
	opens *rate.Limiter
	room  func(context.Context) error
}

// NewBudget allows so many open streams, so many of them opened a second (a node that comes back must not be met by a
// storm), and waits with room for the spool.
func NewBudget(streams int, opensPerSecond float64, room func(context.Context) error) *Budget {
	return &Budget{
		slots: make(chan struct{}, streams),
		opens: rate.NewLimiter(rate.Limit(opensPerSecond), max(1, int(2*opensPerSecond))),
		room:  room,
	}
}

// Stream waits for a slot and for the rate. The slot is given back by release.
func (b *Budget) Stream(ctx context.Context) (release func(), err error) {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := b.opens.Wait(ctx); err != nil {
		<-b.slots
		return nil, err
	}
	return func() { <-b.slots }, nil
}

// Open returns the number of streams that are open now and their limit.
func (b *Budget) Open() (open, limit int) { return len(b.slots), cap(b.slots) }

// Room waits until the spool has room.
func (b *Budget) Room(ctx context.Context) error { return b.room(ctx) }
