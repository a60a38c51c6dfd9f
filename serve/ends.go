package serve

import (
	"context"
	"sync"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// noMore returns a channel that is closed once no further pod of the target will come; nil where that is of no
// interest. It matters only where a Job was deleted before it had finished, so that its document is never written.
func (a *API) noMore(ctx context.Context, watching *sync.WaitGroup, target archive.Target) <-chan struct{} {
	if a.parts.Cluster == nil || target.Pod != "" {
		return nil
	}
	gone := make(chan struct{})
	watching.Go(func() {
		if a.parts.Cluster.AwaitGone(ctx, target) == nil {
			close(gone)
		}
	})
	return gone
}

// more returns what says that further pods may come of which the archive knows nothing; nil where nobody knows.
func (a *API) more(target archive.Target) func() bool {
	if a.parts.Cluster == nil || target.Pod != "" {
		return nil
	}
	return func() bool { return a.parts.Cluster.Unfinished(target) }
}

// exhausted says that no line will come after the given ones: all logs were had to their ends, and no further pod
// will come.
func exhausted(answer *archive.Answer, noMore <-chan struct{}) bool {
	return answer.Had && (answer.Over || toldSoon(noMore))
}

// toldSoon reports whether the channel is closed, or is within the moment that it takes to look whether a Job is gone.
func toldSoon(noMore <-chan struct{}) bool {
	const moment = 100 * time.Millisecond
	if noMore == nil {
		return false
	}
	select {
	case <-noMore:
		return true
	case <-time.After(moment):
		return false
	}
}
