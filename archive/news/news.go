package news

import (
	"sync"
	"sync/atomic"

	"github.com/epilogue-dev/epilogue/archive"
)

// Wakeup is how a reader that waits hears of something new: it holds at most one token, so that nobody who brings news
// waits for whoever reads it.
type Wakeup chan struct{}

// NewWakeup makes one that has not heard of anything.
func NewWakeup() Wakeup { return make(Wakeup, 1) }

// Wake wakes the reader, once for however many news it has not heard of.
func (w Wakeup) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Board is where readers hear of pods and Jobs of their targets. The zero value is one that nobody reads. Safe for
// concurrent use.
type Board struct {
	Told atomic.Int64 // counts what was announced

	mu      sync.Mutex
	readers map[*reader]struct{} // guarded by mu
}

type reader struct {
	Wakeup
	target archive.Target
}

// Subscribe makes the board wake w when something happens to a pod or a Job of the target: it came, changed or was
// sealed. The function ends that.
func (b *Board) Subscribe(w Wakeup, t archive.Target) (cancel func()) {
	r := &reader{w, t}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers == nil {
		b.readers = map[*reader]struct{}{}
	}
	b.readers[r] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.readers, r)
	}
}

// Announce tells those who read the pod, or its Job, or one of its workloads.
func (b *Board) Announce(p archive.PodRef, workloads []string) {
	b.Told.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.readers {
		if r.target.Matches(p, workloads) {
			r.Wake()
		}
	}
}
