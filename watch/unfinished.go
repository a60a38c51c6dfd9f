package watch

import (
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Unfinished reports whether the cache has a Job of the target that has not ended, so that it may get a pod yet: the
// archive knows nothing of one that waits suspended for its turn.
func (w *Watcher) Unfinished(t archive.Target) bool {
	return slices.ContainsFunc(w.Jobs(), func(job *batchv1.Job) bool {
		switch {
		case pods.Finished(job), t.Namespace != "" && t.Namespace != job.Namespace:
			return false
		case t.Workload != "":
			return slices.Contains(pods.Workloads(w.cfg.WorkloadLabels, job), t.Workload)
		default:
			return t.Job != "" && job.Name == t.Job && (t.JobUID == "" || job.UID == types.UID(t.JobUID))
		}
	})
}
