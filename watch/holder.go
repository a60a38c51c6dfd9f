package watch

import (
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Holder returns host:port of the API of the live replica that has what is open of the target. It is "" where that is
// this one, where the cache does not know the target, and where the other one has no API. Of a workload its newest Job
// counts: that is the one that runs.
func (w *Watcher) Holder(t archive.Target) string {
	if w.parts.Leases == nil || t.Namespace != "" && t.Namespace != w.cfg.Namespace {
		return ""
	}
	job, ok := w.jobOfTarget(t)
	if !ok {
		return ""
	}
	view, _ := w.parts.Leases.View()
	owner, ok := view.OwnerOf(job)
	if !ok || owner.Replica == w.cfg.Replica {
		return ""
	}
	return owner.API
}

func (w *Watcher) jobOfTarget(t archive.Target) (types.UID, bool) {
	switch {
	case t.JobUID != "":
		return types.UID(t.JobUID), true
	case t.Job != "":
		if job := w.Job(t.Job); job != nil {
			return job.UID, true
		}
	case t.Pod != "":
		if p, err := w.pods.Pods(w.cfg.Namespace).Get(t.Pod); err == nil && (t.PodUID == "" || p.UID == types.UID(t.PodUID)) {
			return jobUID(w.podRef(p)), true
		}
	default:
		return w.newestOf(t.Workload)
	}
	return "", false
}

func (w *Watcher) newestOf(workload string) (types.UID, bool) {
	var newest *batchv1.Job
	for _, job := range w.Jobs() {
		for _, id := range pods.Workloads(w.cfg.WorkloadLabels, job) {
			if id == workload && (newest == nil || newest.CreationTimestamp.Before(&job.CreationTimestamp)) {
				newest = job
			}
		}
	}
	if newest == nil {
		return "", false
	}
	return newest.UID, true
}
