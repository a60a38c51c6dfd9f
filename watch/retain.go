package watch

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
)

// Spares reports of a Job (a ref without a pod) or of a bare pod whether its archive is not this replica's to delete:
// another one acts for it, or the cluster still has it.
func (w *Watcher) Spares(ref archive.PodRef) bool { return !w.Owns(jobUID(ref)) || w.present(ref) }

// present reports whether the cluster still has it, or one of the Job's pods. Deleting the archive of what can be seen
// again would have it archived again, the log by then lost. While the caches are not filled everything is present.
func (w *Watcher) present(ref archive.PodRef) bool {
	if !w.Synced() {
		return true
	}
	if ref.Job == "" {
		p, err := w.pods.Pods(ref.Namespace).Get(ref.Pod)
		return err == nil && p.UID == types.UID(ref.PodUID)
	}
	j, err := w.jobs.Jobs(ref.Namespace).Get(ref.Job)
	return err == nil && j.UID == types.UID(ref.JobUID) || len(w.PodsOf(types.UID(ref.JobUID))) > 0
}

// Dead reports of a replica whether its journal has no writer. While this one does not hold its own Lease it knows of
// no death.
func (w *Watcher) Dead(replica string) bool {
	v, _ := w.view()
	return v.Self.Lease != "" && v.IsDead(replica)
}
