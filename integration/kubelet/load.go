package kubelet

import (
	"context"
	"fmt"
	"time"
)

// batchPeriod is how often a load at a given rate writes.
const batchPeriod = 5 * time.Millisecond

// Load says what Flood writes.
type Load struct {
	Lines     int
	PerSecond int                // 0: as fast as it goes
	Text      func(n int) string // nil: "line <n>"
}

// Flood writes the lines of a load to stdout, stamped by the node's clock, and returns when they are written. It gives
// the context's error when that ends first.
func (i *Instance) Flood(ctx context.Context, load Load) error {
	text := load.Text
	if text == nil {
		text = func(n int) string { return fmt.Sprintf("line %d", n) }
	}
	batch := 1000
	tick := make(<-chan time.Time)
	if load.PerSecond > 0 {
		ticker := time.NewTicker(batchPeriod)
		defer ticker.Stop()
		tick = ticker.C
	}
	begin, n := time.Now(), 0
	for n < load.Lines {
		due := n + batch
		if load.PerSecond > 0 {
			due = int(time.Since(begin).Seconds() * float64(load.PerSecond))
		}
		for ; n < min(due, load.Lines); n++ {
			i.Write(i.pod.kubelet.now(), text(n))
		}
		if err := pause(ctx, tick, load.PerSecond > 0 && n < load.Lines); err != nil {
			return err
		}
	}
	return nil
}

// pause waits for the next tick, or only looks whether the context has ended.
func pause(ctx context.Context, tick <-chan time.Time, wait bool) error {
	if !wait {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-tick:
		return nil
	}
}
