package watch

import (
	"context"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/archive"
)

// AwaitGone returns nil once the cache has no Job of the target, so that no other pod of it will come. Its error is the
// context's. It waits for that where other namespaces may have the target; and before it believes the caches it waits
// until they are filled.
func (w *Watcher) AwaitGone(ctx context.Context, t archive.Target) error {
	filled := w.filled
	if t.Namespace != "" && t.Namespace != w.cfg.Namespace {
		filled = nil // it never is, for another namespace
	}
	select {
	case <-filled:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		job, ok := w.liveJob(t)
		if !ok {
			return nil
		}
		left := w.leaving.of(job)
		if w.jobByUID(job) == nil { // it left before anybody listened
			w.leaving.tell(job)
		}
		select {
		case <-left: // another one may have come in its place
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// liveJob returns a Job of the target that the cache has.
func (w *Watcher) liveJob(t archive.Target) (types.UID, bool) {
	if t.Job == "" {
		return w.jobOfTarget(t)
	}
	job := w.Job(t.Job)
	if job == nil || t.JobUID != "" && job.UID != types.UID(t.JobUID) {
		return "", false
	}
	return job.UID, true
}

// leaving is for whoever waits for Jobs to leave the cache. What it holds are Jobs that were waited for and are still
// there.
type leaving struct {
	mu   sync.Mutex
	jobs map[types.UID]chan struct{} // guarded by mu
}

// of returns a channel that is closed when the Job leaves.
func (l *leaving) of(job types.UID) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, ok := l.jobs[job]
	if !ok {
		if l.jobs == nil {
			l.jobs = map[types.UID]chan struct{}{}
		}
		left = make(chan struct{})
		l.jobs[job] = left
	}
	return left
}

// tell says that the Job has left.
func (l *leaving) tell(job types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left, ok := l.jobs[job]; ok {
		close(left)
		delete(l.jobs, job)
	}
}

// jobLeft tells of a Job that is deleted, or that the selection does not pick any more.
func (w *Watcher) jobLeft(object any) {
	w.tell(object)
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	if job, ok := object.(*batchv1.Job); ok {
		w.past.left(job, w.parts.Clock.Now())
		w.leftJob(job)
		w.leaving.tell(job.UID)
	}
}
