package follow

import (
	"context"
	"errors"
	"time"

	"github.com/epilogue-dev/epilogue/watch/pods"
)

// reportWait is how long a container may run on whose pod is over by its phase: the kubelet writes the phase first
// where it ends a pod itself, as at a deadline, and then gives the containers their grace. Nobody reports the end of
// one whose node is lost, and nothing of that one is proven.
const reportWait = 2 * time.Minute

// runs reports whether the instance runs and the API serves its log. A pod that was deleted by force is gone while
// its last known state still says that it runs.
func (f *Follower) runs(s pods.Sight) bool {
	if s.Gone || !s.Running || !s.Current {
		return false
	}
	if !s.Over() {
		f.over = time.Time{}
		return true
	}
	if f.over.IsZero() {
		f.over = time.Now()
	}
	return time.Since(f.over) < reportWait
}

var errUnreported = errors.New("the pod is over, and nobody has reported the container's end for a while")

// untilReported bounds the stream of a container whose pod is over: a node that is cut off may hold it open for hours.
func (f *Follower) untilReported(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.over.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, f.over.Add(reportWait), errUnreported)
}

// ended ends a log that was read until nothing more came. Where nobody has reported the container's end, what it wrote
// last may still be on its way.
func (p *proof) ended(seen pods.Sight) error {
	if seen.Terminated != nil {
		return p.follower.proven()
	}
	p.err = errors.New("the pod is over, and nobody has reported the container's end")
	return p.unproven(seen)
}
