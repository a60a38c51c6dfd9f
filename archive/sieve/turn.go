package sieve

import (
	"context"
	"runtime"
)

// Turn is an answer's right to match lines against an expression. An expression costs up to a microsecond for a byte
// and more, so there are fewer turns than processors: whoever reads logs leaves room for those who keep them. A turn
// is given back while a line is with its consumer, who may be slow, while the store is asked, and now and then in
// between, so that every answer goes on. Owned by whoever ranges over the answer.
//
// A nil turn is that of an answer that matches no expression: it needs none.
type Turn struct {
	slots chan struct{}
	held  bool
	bytes int // matched since it was taken
	lines int
}

// What is matched before a turn is given back and the context is looked at.
const (
	turnBytes = 64 << 10
	turnLines = 256
)

// NewTurns returns the slots that the turns of all answers of a process share: half as many as it has processors, but
// one.
func NewTurns() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) }

// NewTurn returns an answer's turn among those who share the slots. It is not taken yet.
func NewTurn(slots chan struct{}) *Turn { return &Turn{slots: slots} }

// take waits for a turn. Its error is the context's.
func (t *Turn) take(ctx context.Context) error {
	if t == nil || t.held {
		return ctx.Err()
	}
	select {
	case t.slots <- struct{}{}:
		t.held, t.bytes, t.lines = true, 0, 0
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Turn) back() {
	if t != nil && t.held {
		<-t.slots
		t.held = false
	}
}

// matched counts a line, and lets others have their turn when it was many. Its error is the context's.
func (t *Turn) matched(ctx context.Context, size int) error {
	if t == nil {
		return nil
	}
	t.bytes += size
	if t.lines++; t.bytes < turnBytes && t.lines < turnLines {
		return nil
	}
	t.back()
	return t.take(ctx)
}
