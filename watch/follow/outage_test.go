package follow

import (
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestFaultOutage: thirty minutes without a store delay the seal by no more than one pause, and nothing else; few
// requests are made meanwhile.
func TestFaultOutage(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.store.Break(storetest.Fault{Op: storetest.OpPut, Times: -1})
		b.start()
		b.write("a", "b")
		b.c.Exit(0)
		time.Sleep(30 * time.Minute)
		if got := b.store.Count(storetest.OpPut).Requests; got < 30 || got > 150 {
			t.Errorf("got %d puts in 30 min of outage, want 30 to 150", got)
		}
		b.store.Mend()
		begin := time.Now()
		b.complete()
		if got := time.Since(begin); got > time.Minute {
			t.Errorf("sealed %s after the outage, want a minute at most", got)
		}
	})
}
