package watch

import (
	"cmp"
	"regexp"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/epilogue-dev/epilogue/archive"
)

// Whose a pod is stands in its metadata, which any user writes who may create pods, and names of it become keys of the archive. The
// API server does not check them: of an owner it only wants that it has a name and a UID. So all of it comes in here. What is not
// believed costs no log: such a pod is kept without a Job, and its manifest says why.

// Why a pod that names a Job is kept without one.
const (
	noSuchName  = "its owner has a name or a UID that Kubernetes gives no Job"
	noSuchLabel = "its labels name a Job as none can be called"
	noSuchJob   = "its labels name a Job that it does not belong to, and no owner vouches for them"
)

// claimOf gives the Job that a pod says to be of: that of its controller, or that of the labels which the Job's controller has set,
// for a Job that is deleted as `--cascade=orphan` does it takes its name off its pods. why says, where there is none, that there
// would be one with another name.
func claimOf(pod *corev1.Pod) (owner *metav1.OwnerReference, why string) {
	if controller := metav1.GetControllerOf(pod); controller != nil {
		switch {
		case controller.APIVersion != batchv1.SchemeGroupVersion.String() || controller.Kind != "Job":
			return nil, ""
		case !isJobName(controller.Name) || !isUID(controller.UID):
			return nil, noSuchName
		}
		return controller, ""
	}
	name, uid := pod.Labels[jobLabel], types.UID(cmp.Or(pod.Labels[batchv1.ControllerUidLabel], pod.Labels["controller-uid"]))
	switch {
	case name == "" || uid == "":
		return nil, ""
	case !isJobName(name) || !isUID(uid):
		return nil, noSuchLabel
	}
	return &metav1.OwnerReference{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: name, UID: uid}, ""
}

// jobOf gives the Job that the pod says to be of, nil where that is none.
func jobOf(pod *corev1.Pod) *metav1.OwnerReference {
	owner, _ := claimOf(pod)
	return owner
}

// controlled: the pod's Job is its controller, so that the API server has it that way and no label alone.
func controlled(pod *corev1.Pod) bool { return metav1.GetControllerOf(pod) != nil && jobOf(pod) != nil }

func isJobName(name string) bool { return len(validation.IsDNS1123Subdomain(name)) == 0 }

// uidForm is wider than the UUIDs that API servers give, and narrower than what could be part of a key by another meaning.
var uidForm = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?$`)

func isUID(uid types.UID) bool { return uidForm.MatchString(string(uid)) }

// isWorkload: a workload's id is a label's value or a UUID.
func isWorkload(id string) bool { return id != "" && len(validation.IsValidLabelValue(id)) == 0 }

// ofCache is the domain of the annotations that the cache adds. A user's are dropped on the way in.
const ofCache = "cache.epilogue.dev"

func isOfCache(annotation string) bool {
	domain, _, _ := strings.Cut(annotation, "/")
	return domain == ofCache
}

// concerns: the pod is of a Job, says so, or was when it was first seen. It is asked under the informer's own lock.
func (w *Watcher) concerns(pod *corev1.Pod) bool {
	owner, why := claimOf(pod)
	return owner != nil || why != "" || w.known.uids.has(pod.UID)
}

// trim is the pod informer's transform. Of a pod that is of no Job nothing is kept but its name.
func (w *Watcher) trim(object any) (any, error) {
	if p, ok := object.(*corev1.Pod); ok && !w.concerns(p) {
		*p = corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, UID: p.UID, ResourceVersion: p.ResourceVersion}}
		return p, nil
	}
	return Trim(object)
}

// noteOrphan remembers whose a pod was that has lost its owner.
func (w *Watcher) noteOrphan(before, now *corev1.Pod) {
	if controlled(before) && !controlled(now) {
		w.past.orphaned(before.UID, jobOf(before).UID)
	}
}

// nameOf names a pod as it is kept, and says why it is without its Job.
func (w *Watcher) nameOf(pod *corev1.Pod) (ref archive.PodRef, why string) {
	ref = RefOf(pod)
	owner, why := claimOf(pod)
	if owner != nil && !controlled(pod) && !w.believes(pod, owner) {
		ref.Job, ref.JobUID, why = "", "", noSuchJob
	}
	return ref, why
}

func (w *Watcher) podRef(pod *corev1.Pod) archive.PodRef {
	ref, _ := w.nameOf(pod)
	return ref
}

// believes says whether a pod without an owner is of the Job that its labels name: that Job is there, or was, and had not ended when
// the pod was made; or the pod was seen with it as its owner, by this process or by whoever wrote the spool.
func (w *Watcher) believes(pod *corev1.Pod, owner *metav1.OwnerReference) bool {
	if w.past.owned(pod.UID, owner.UID) {
		return true
	}
	if job := w.jobByUID(owner.UID); job != nil {
		return job.Name == owner.Name && job.Namespace == pod.Namespace && !madeAfter(pod, endOf(job))
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

// endOf gives when a Job finished, zero where it has not.
func endOf(job *batchv1.Job) (end time.Time) {
	for _, c := range job.Status.Conditions {
		if finished(c) {
			end = c.LastTransitionTime.Time
		}
	}
	return end
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
	end := endOf(job)
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
