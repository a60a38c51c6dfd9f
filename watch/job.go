package watch

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// jobKey names a Job for good.
type jobKey struct {
	types.NamespacedName
	uid types.UID
}

func keyOfJob(job *batchv1.Job) jobKey {
	return jobKey{types.NamespacedName{Namespace: job.Namespace, Name: job.Name}, job.UID}
}

func (k jobKey) ref() archive.PodRef {
	return archive.PodRef{Namespace: k.Namespace, Job: k.Name, JobUID: archive.JobUID(k.uid)}
}

// finishJob writes the document of a Job that has finished, once all its pods that are known are sealed.
func (w *Watcher) finishJob(ctx context.Context, key jobKey) error {
	job := w.cachedJob(key.ref())
	if job == nil {
		return w.finishGone(ctx, key)
	}
	if pods.FinishedAt(job).IsZero() || !w.Owns(job.UID) || w.hasUnsealed(job.UID) {
		return nil // its last pod brings it here again
	}
	d := &archive.JobDocument{Job: *pods.SummaryOfJob(job), Namespace: job.Namespace, Workloads: pods.Workloads(w.cfg.WorkloadLabels, job)}
	written, err := w.parts.Sealer.Job(ctx, key.ref(), d)
	if err != nil {
		return fmt.Errorf("finish Job %s: %w", key, err)
	}
	w.settled(job.UID, written)
	return nil
}

// lastPods is how long after a Job its last pods may come to the cache, which another watch fills.
const lastPods = 10 * time.Second

// leftJob looks for the document of a Job that is not in the cache any more.
func (w *Watcher) leftJob(job *batchv1.Job) {
	w.mu.Lock()
	w.left[job.UID] = job
	w.mu.Unlock()
	w.finishedJobs.AddAfter(keyOfJob(job), lastPods)
}

// finishGone writes the document of a Job that was deleted before it had one, most often while it ran: else nobody
// would ever be told that it has ended. Of one that left while no process watched its last pod brings it here, and that
// pod's manifest tells of it.
func (w *Watcher) finishGone(ctx context.Context, key jobKey) error {
	w.mu.Lock()
	job := w.left[key.uid]
	w.mu.Unlock()
	if !w.Owns(key.uid) {
		w.dropLeft(key.uid) // its owner has seen it leave, too
		return nil
	}
	if w.hasUnsealed(key.uid) {
		return nil // its last pod brings it here again
	}
	if there, err := w.jobIsThere(ctx, key); there || err != nil {
		return err
	}
	d := &archive.JobDocument{Namespace: key.Namespace}
	if job != nil {
		d.Job, d.Workloads = *pods.SummaryOfJob(job), pods.Workloads(w.cfg.WorkloadLabels, job)
	}
	if _, err := w.parts.Sealer.GoneJob(ctx, key.ref(), d); err != nil {
		return fmt.Errorf("finish deleted Job %s: %w", key, err)
	}
	w.dropLeft(key.uid)
	return nil
}

func (w *Watcher) dropLeft(job types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.left, job)
}

// jobIsThere asks the API server: the cache may be behind, or a selector may not pick the Job any more.
func (w *Watcher) jobIsThere(ctx context.Context, key jobKey) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	got, err := w.parts.Client.BatchV1().Jobs(key.Namespace).Get(limited, key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for Job %s: %w", key, err)
	}
	return got.UID == key.uid, nil
}

func (w *Watcher) hasUnsealed(job types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.PodsOf(job) {
		if !w.done[p.UID] {
			return true
		}
	}
	return len(w.known.ofJob[job]) > 0
}
