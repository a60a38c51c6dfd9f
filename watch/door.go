package watch

import (
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// concerns: the pod is of a Job, says so, or was when it was first seen. It is asked under the informer's own lock.
func (w *Watcher) concerns(pod *corev1.Pod) bool {
	owner, why := pods.Claim(pod)
	return owner != nil || why != "" || w.known.uids.has(pod.UID)
}

// trim is the pod informer's transform. Of a pod that is of no Job nothing is kept but its name.
func (w *Watcher) trim(object any) (any, error) {
	if p, ok := object.(*corev1.Pod); ok && !w.concerns(p) {
		*p = corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, UID: p.UID, ResourceVersion: p.ResourceVersion}}
		return p, nil
	}
	return pods.Trim(object)
}

// noteOrphan remembers whose a pod was that has lost its owner.
func (w *Watcher) noteOrphan(before, now *corev1.Pod) {
	if pods.Controlled(before) && !pods.Controlled(now) {
		w.past.orphaned(before.UID, pods.Job(before).UID)
	}
}

// nameOf names a pod as it is kept, and says why it is without its Job.
func (w *Watcher) nameOf(pod *corev1.Pod) (ref archive.PodRef, why string) {
	ref = pods.Ref(pod)
	owner, why := pods.Claim(pod)
	if owner != nil && !pods.Controlled(pod) && !w.believes(pod, owner) {
		ref.Job, ref.JobUID, why = "", "", pods.NoSuchJob
	}
	return ref, why
}

func (w *Watcher) podRef(pod *corev1.Pod) archive.PodRef {
	ref, _ := w.nameOf(pod)
	return ref
}

// believes reports whether a pod without an owner is of the Job that its labels name: that Job is there, or was, and
// had not ended when the pod was made; or the pod was seen with it as its owner, by this process or by whoever wrote
// the spool.
func (w *Watcher) believes(pod *corev1.Pod, owner *metav1.OwnerReference) bool {
	if w.past.owned(pod.UID, owner.UID) {
		return true
	}
	if job := w.jobByUID(owner.UID); job != nil {
		return job.Name == owner.Name && job.Namespace == pod.Namespace && !madeAfter(pod, pods.FinishedAt(job))
	}
	if end, known := w.past.jobEnd(owner); known && !madeAfter(pod, end) {
		return true
	}
	ref, held := w.refOf(archive.PodUID(pod.UID))
	return held && ref.JobUID == archive.JobUID(owner.UID)
}

func madeAfter(pod *corev1.Pod, end time.Time) bool {
	return !end.IsZero() && pod.CreationTimestamp.After(end)
}

// past are Jobs that have left, and pods that have lost their owner. The zero value is ready.
type past struct {
	mu      sync.Mutex
	jobs    map[types.UID]pastJob   // guarded by mu
	order   []types.UID             // guarded by mu; of jobs, as they left
	orphans map[types.UID]types.UID // guarded by mu; the Job that a pod was of, for as long as the pod is there
}

type pastJob struct {
	name string
	end  time.Time
}

// mostPast bounds the Jobs that are remembered. Of one that is forgotten the pods that are known stay its own.
const mostPast = 10_000

// left notes a Job that is not in the cache any more, by the API server's time.
func (p *past) left(job *batchv1.Job, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs == nil {
		p.jobs = map[types.UID]pastJob{}
	}
	if _, known := p.jobs[job.UID]; !known {
		p.order = append(p.order, job.UID)
	}
	end := pods.FinishedAt(job)
	if end.IsZero() {
		end = now
	}
	p.jobs[job.UID] = pastJob{job.Name, end}
	for len(p.order) > mostPast {
		delete(p.jobs, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *past) jobEnd(owner *metav1.OwnerReference) (end time.Time, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	job, known := p.jobs[owner.UID]
	return job.end, known && job.name == owner.Name
}

// orphaned notes that a pod was of a Job.
func (p *past) orphaned(pod, job types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.orphans == nil {
		p.orphans = map[types.UID]types.UID{}
	}
	p.orphans[pod] = job
}

func (p *past) owned(pod, job types.UID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, known := p.orphans[pod]
	return known && was == job
}

// forget drops a pod that is gone.
func (p *past) forget(pod types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.orphans, pod)
}
