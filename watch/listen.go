package watch

import (
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Listen calls f with the UID of each Job that is new, changed or gone, or that has a pod of which this is true;
// and with the UIDs of all Jobs when this replica owns others than before. It is called by the informers' own
// goroutines, so it only notes the UID. Listen is called before Run.
func (w *Watcher) Listen(f func(job types.UID)) { w.listeners = append(w.listeners, f) }

// ListenSettled calls f with the UID of each Job that has finished and of which all is in the store, its document
// too; written says that this was just now. It is called before Run.
func (w *Watcher) ListenSettled(f func(job types.UID, written bool)) {
	w.settlers = append(w.settlers, f)
}

func (w *Watcher) settled(job types.UID, written bool) {
	for _, f := range w.settlers {
		f(job, written)
	}
}

// Jobs returns every Job in the cache, trimmed. They are shared: nobody changes them.
func (w *Watcher) Jobs() []*batchv1.Job {
	objects := w.jobInformer.GetStore().List()
	jobs := make([]*batchv1.Job, 0, len(objects))
	for _, o := range objects {
		jobs = append(jobs, o.(*batchv1.Job))
	}
	return jobs
}

// Job returns the Job of that name as the cache has it, nil where it has none.
func (w *Watcher) Job(name string) *batchv1.Job {
	job, err := w.jobs.Jobs(w.cfg.Namespace).Get(name)
	if err != nil {
		return nil // a cache has no other error
	}
	return job
}

// PodsOf returns the Job's pods in the cache, trimmed and shared like Jobs. A label alone makes no pod a Job's.
func (w *Watcher) PodsOf(job types.UID) []*corev1.Pod {
	return slices.DeleteFunc(indexed[*corev1.Pod](w.podInformer, byJob, string(job)), func(p *corev1.Pod) bool {
		return !pods.Controlled(p) && w.podRef(p).JobUID != archive.JobUID(job)
	})
}

// indexed returns what a cache has under a value of one of its indexes.
func indexed[T any](informer cache.SharedIndexInformer, index, value string) []T {
	objects, err := informer.GetIndexer().ByIndex(index, value)
	if err != nil {
		return nil // only for an index that does not exist
	}
	list := make([]T, 0, len(objects))
	for _, o := range objects {
		list = append(list, o.(T))
	}
	return list
}

func keyOf(p *corev1.Pod) podKey {
	return podKey{types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, p.UID}
}

// tell calls the listeners. A tombstone's object is stale, but its UID is right.
func (w *Watcher) tell(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	var uid types.UID
	switch o := object.(type) {
	case *batchv1.Job:
		uid = o.UID
	case *corev1.Pod:
		owner := pods.Job(o)
		if owner == nil {
			return
		}
		uid = owner.UID
	}
	w.hear(uid)
}

func (w *Watcher) hear(job types.UID) {
	for _, f := range w.listeners {
		f(job)
	}
}
