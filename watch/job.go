package watch

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
)

// finishJob writes the document of a Job that has finished, once all its pods that are known are sealed.
func (w *Watcher) finishJob(ctx context.Context, name types.NamespacedName) error {
	job, err := w.jobs.Jobs(name.Namespace).Get(name.Name)
	if err != nil {
		return nil // deleted meanwhile; its pods' manifests hold what is known of it
	}
	if !slices.ContainsFunc(job.Status.Conditions, finished) || !w.Owns(job.UID) || w.hasUnsealed(job) {
		return nil // its last pod brings it here again
	}
	ref := archive.PodRef{Namespace: job.Namespace, Job: job.Name, JobUID: archive.JobUID(job.UID)}
	d := &archive.JobDocument{Job: *jobSummary(job), Namespace: job.Namespace, Workloads: workloads(w.cfg.WorkloadLabels, job)}
	written, err := w.parts.Sealer.Job(ctx, ref, d)
	if err != nil {
		return fmt.Errorf("finish Job %s: %w", name, err)
	}
	w.settled(job.UID, written)
	return nil
}

func (w *Watcher) hasUnsealed(job *batchv1.Job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.podsOf(job.UID) {
		if !w.done[p.UID] {
			return true
		}
	}
	return len(w.known.ofJob[job.UID]) > 0
}
