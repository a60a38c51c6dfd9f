package cleanup

import (
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/config"
)

// What keeps a pod from starting.
const (
	ImagePull     Reason = "image-pull"
	ImageName     Reason = "image-name"
	ConfigMissing Reason = "config"
	CannotCreate  Reason = "create"
	CannotMount   Reason = "mount"
	Unschedulable Reason = "unschedulable"
	CrashLoop     Reason = "crash-loop"
	NoPod         Reason = "no-pod" // none can be created
)

// Hindrances are the reasons for which a pod cannot start, for those who count them.
var Hindrances = []Reason{ImagePull, ImageName, ConfigMissing, CannotCreate, CannotMount, Unschedulable, CrashLoop, NoPod}

// waitings are the kubelet's reasons for a container that waits and will not start by waiting alone.
var waitings = map[string]Reason{
	"ErrImagePull": ImagePull, "ImagePullBackOff": ImagePull, "RegistryUnavailable": ImagePull, "ImageInspectError": ImagePull,
	"SignatureValidationFailed": ImagePull,
	"InvalidImageName":          ImageName, "ErrImageNeverPull": ImageName,
	"CreateContainerConfigError": ConfigMissing,
	"CreateContainerError":       CannotCreate, "RunContainerError": CannotCreate,
	"CrashLoopBackOff": CrashLoop,
}

// hindrance is what keeps a pod, or all pods of a Job, from starting.
type hindrance struct {
	reason Reason
	detail string
	since  time.Time
}

// Hindered says what keeps the pod from starting; "": nothing that is known.
func (p Pod) Hindered(now time.Time) Reason {
	h, _ := p.hindered(now)
	return h.reason
}

// hindered finds what keeps the pod from starting. The pod's status does not say since when: its Events do, as long as they
// are there, else the time at which it was first seen.
func (p Pod) hindered(now time.Time) (hindrance, bool) {
	if over(p.Pod) || p.DeletionTimestamp != nil {
		return hindrance{}, false
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return hindrance{Unschedulable, c.Reason + ": " + c.Message, c.LastTransitionTime.Time}, true
		}
	}
	since := p.Stuck
	if since.IsZero() {
		since = now
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Waiting == nil {
			continue
		}
		if reason, ok := waitings[s.State.Waiting.Reason]; ok {
			detail := "container " + s.Name + ": " + s.State.Waiting.Reason + ": " + s.State.Waiting.Message
			return hindrance{reason, detail, p.firstWarning(since, failsToStart)}, true
		}
	}
	return p.unmounted(since, now)
}

// lately bounds how long ago the last Event of trouble may be that is not in the pod's status. The kubelet reports each
// try to mount, at most two minutes and a bit apart.
const lately = 10 * time.Minute

// unmounted finds a pod that waits for its volumes: only its Events tell.
func (p Pod) unmounted(since, now time.Time) (hindrance, bool) {
	if p.Spec.NodeName == "" || started(p.Pod) {
		return hindrance{}, false
	}
	for _, e := range p.Events {
		if failsToMount(e.Reason) && now.Sub(lastOf(e)) < lately {
			return hindrance{CannotMount, e.Reason + ": " + e.Message, p.firstWarning(since, failsToMount)}, true
		}
	}
	return hindrance{}, false
}

// failsToStart and failsToMount pick the kubelet's Events of such trouble.
func failsToStart(reason string) bool {
	return has([]string{"Failed", "BackOff", "InspectFailed", "ErrImageNeverPull"}, reason)
}

func failsToMount(reason string) bool {
	return has([]string{"FailedMount", "FailedAttachVolume"}, reason)
}

// firstWarning gives the time of the first Event of trouble since a container of the pod last started or ended, if that is
// before the given one.
func (p Pod) firstWarning(since time.Time, counts func(reason string) bool) time.Time {
	base := lastMove(p.Pod)
	for _, e := range p.Events {
		if at := firstOf(e); e.Type == corev1.EventTypeWarning && counts(e.Reason) && !at.Before(base) && at.Before(since) {
			since = at
		}
	}
	return since
}

// startable ends a pod that cannot start, after the grace of what keeps it.
func (j *judgement) startable(p Pod) {
	h, stuck := p.hindered(j.now)
	if !stuck {
		return
	}
	d := Decision{Reason: h.reason, Detail: h.detail}
	if h.reason == CrashLoop {
		if n := restarts(p.Pod); j.s.CrashLoops > 0 && n >= j.s.CrashLoops {
			j.end(p, d)
		}
		return
	}
	grace := graceOf(h.reason, j.s.Grace)
	if grace == 0 {
		return
	}
	if d.At = h.since.Add(grace); j.now.Before(d.At) {
		d.Action, d.Pod = Wait, p.Pod
		j.add(d)
		return
	}
	j.end(p, d)
}

func graceOf(r Reason, g config.Grace) time.Duration {
	return map[Reason]time.Duration{
		ImagePull: g.ImagePull, ImageName: g.ImageName, ConfigMissing: g.Config, CannotCreate: g.Create, CannotMount: g.Mount,
		Unschedulable: g.Schedule, NoPod: g.NoPod,
	}[r]
}

// end ends a pod: gently by its deadline where a kubelet can do that, else by deletion, which it outlives until it is sealed.
func (j *judgement) end(p Pod, d Decision) {
	d.Pod = p.Pod
	switch {
	case p.DeletionTimestamp != nil:
		return
	case p.Spec.NodeName == "":
		d.Action = WithdrawPod
	case p.Spec.ActiveDeadlineSeconds != nil && *p.Spec.ActiveDeadlineSeconds <= endNow:
		return // it was told
	default:
		d.Action = EndPod
	}
	j.add(d)
}

// endNow is the least deadline that a pod can have, in seconds since its start.
const endNow = 1

// lastRefusal bounds how long ago the Job's controller may have failed to create a pod: its tries get rarer.
const lastRefusal = 30 * time.Minute

// podless ends a Job for which no pod can be created. Its own deadline would delete running pods with their logs, so
// there must be none.
func (j *judgement) podless() {
	h, stuck := j.refused()
	if !stuck || j.s.Grace.NoPod == 0 || j.Job.Spec.ActiveDeadlineSeconds != nil && *j.Job.Spec.ActiveDeadlineSeconds <= endNow {
		return
	}
	j.due(Decision{Action: EndJob, Reason: NoPod, Detail: h.detail, At: h.since.Add(j.s.Grace.NoPod)})
}

// Refused says whether no pod can be created for the Job.
func (f Facts) Refused(now time.Time) bool {
	j := judgement{Facts: f, now: now}
	if f.Job == nil || f.Job.DeletionTimestamp != nil || !finishedAt(f.Job).IsZero() {
		return false
	}
	_, stuck := j.refused()
	return stuck
}

func (j *judgement) refused() (hindrance, bool) {
	suspended := j.Job.Spec.Suspend != nil && *j.Job.Spec.Suspend
	alive := slices.ContainsFunc(j.Pods, func(p Pod) bool { return !over(p.Pod) })
	if suspended || alive || j.Job.Status.Active > 0 || j.Job.Status.StartTime == nil {
		return hindrance{}, false
	}
	base := j.Job.Status.StartTime.Time
	for _, p := range j.Pods {
		base = latest(base, podEnd(p.Pod))
	}
	for _, e := range j.Facts.Events {
		if e.Reason == "FailedCreate" && j.now.Sub(lastOf(e)) < lastRefusal && !lastOf(e).Before(base) {
			return hindrance{NoPod, e.Reason + ": " + strings.TrimSpace(e.Message), latest(base, firstOf(e))}, true
		}
	}
	return hindrance{}, false
}

func failed(job *batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue
	})
}
