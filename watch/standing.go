package watch

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Standing is what is known of one Job: its objects as the cache has them, trimmed and shared, and how far the sealing
// of its pods is.
type Standing struct {
	Job    *batchv1.Job // nil: the cache has none of that UID
	Pods   []PodStanding
	Events []*corev1.Event // of the Job
	Open   int             // pods that have left the API server and are not sealed
	Doubt  bool            // what is not sealed may be: the store has not been asked about any of it yet
	Kind   string          // mark.Runner or mark.Builder; "": not known
	// when this replica began to act by the present owners, by the API server's clock; zero: it does not act for the
	// Job
	Since time.Time
}

// PodStanding is one pod of it.
type PodStanding struct {
	*corev1.Pod
	Sealed   bool // its manifest is in the store
	Unproven bool // whether it is has not been found out yet
	Events   []*corev1.Event
}

// Standing returns what is known of a Job.
func (w *Watcher) Standing(job types.UID) Standing {
	s := Standing{Job: w.jobByUID(job), Events: w.eventsOf(job)}
	if s.Job != nil {
		s.Kind = pods.Kind(s.Job)
	}
	pods := w.PodsOf(job)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.owns(job) {
		return s
	}
	s.Since = w.actingSince
	s.Open = len(w.known.ofJob[job])
	s.Doubt = true
	for _, k := range w.known.ofJob[job] {
		s.Doubt = s.Doubt && !k.checked
	}
	for _, p := range pods {
		k := w.known.get(p.UID)
		if k != nil {
			s.Open--
		}
		s.Pods = append(s.Pods, PodStanding{
			Pod: p, Events: w.eventsOf(p.UID), Sealed: w.done[p.UID], Unproven: !w.done[p.UID] && (k == nil || !k.checked),
		})
	}
	return s
}

// Related returns the Jobs in the cache that run the same workload and are of the same kind, the Job itself among them.
// One without a workload has no relations.
func (w *Watcher) Related(job *batchv1.Job) []*batchv1.Job {
	var related []*batchv1.Job
	seen := map[types.UID]bool{}
	for _, key := range w.relations(job) {
		for _, j := range indexed[*batchv1.Job](w.jobInformer, byWorkload, key) {
			if !seen[j.UID] {
				seen[j.UID] = true
				related = append(related, j)
			}
		}
	}
	return related
}

const (
	byUID      = "uid"
	byWorkload = "workload"
)

func (w *Watcher) indexJobs() error {
	return w.jobInformer.AddIndexers(cache.Indexers{
		byUID:      func(o any) ([]string, error) { return []string{string(o.(*batchv1.Job).UID)}, nil },
		byWorkload: func(o any) ([]string, error) { return w.relations(o.(*batchv1.Job)), nil },
	})
}

func (w *Watcher) relations(job *batchv1.Job) []string {
	kind := pods.Kind(job)
	ids := slices.Clone(pods.Workloads(w.cfg.WorkloadLabels, job))
	for i := range ids {
		ids[i] += "/" + kind
	}
	return ids
}

func (w *Watcher) jobByUID(uid types.UID) *batchv1.Job {
	for _, job := range indexed[*batchv1.Job](w.jobInformer, byUID, string(uid)) {
		return job
	}
	return nil
}

func (w *Watcher) eventsOf(uid types.UID) []*corev1.Event {
	return indexed[*corev1.Event](w.eventInformer, byObject, string(uid))
}

// troubles are the reasons of Events that tell what nothing in the status of a pod or a Job does.
var troubles = []string{"FailedMount", "FailedAttachVolume", "FailedCreate"}

// seeEvent tells of a Job when an Event says that a pod of it cannot start, or that none can be made.
func (w *Watcher) seeEvent(object any) {
	e := object.(*corev1.Event)
	if e.Type != corev1.EventTypeWarning || !slices.Contains(troubles, e.Reason) {
		return
	}
	switch e.InvolvedObject.Kind {
	case "Job":
		w.hear(e.InvolvedObject.UID)
	case "Pod":
		if p, err := w.pods.Pods(e.Namespace).Get(e.InvolvedObject.Name); err == nil && p.UID == e.InvolvedObject.UID {
			w.tell(p)
		}
	}
}
