package cleanup

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/watch/pods"
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
	reason   Reason
	detail   string
	since    time.Time
	restarts int // of the container that keeps crashing

	counted bool // the Job's controller counts these restarts, and ends the Job by them
	works   bool // another container of the pod is at work, and would be ended with it
}

// hindered finds what keeps the pod from starting. The pod's status does not say since when: its Events do, as long as
// they are there, else the time at which it was first seen.
func (p Pod) hindered(now time.Time) (hindrance, bool) {
	if pods.Over(p.Pod) || p.DeletionTimestamp != nil {
		return hindrance{}, false
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return hindrance{reason: Unschedulable, detail: c.Reason + ": " + c.Message, since: c.LastTransitionTime.Time}, true
		}
	}
	since := p.Stuck
	if since.IsZero() {
		since = now
	}
	if h, ok := p.worst(since); ok {
		return h, true
	}
	return p.unmounted(since, now)
}

// worst finds the container that cannot start and counts most: one for which the pod may be ended before one for which
// it may not, and before those that start again and again one that never does.
func (p Pod) worst(since time.Time) (worst hindrance, found bool) {
	rank := func(h hindrance) int {
		switch {
		case h.counted || h.works:
			return 0
		case h.reason == CrashLoop:
			return 1
		}
		return 2
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if h, ok := p.waiting(s, since); ok && (!found || rank(h) > rank(worst)) {
			worst, found = h, true
		}
	}
	return worst, found
}

// waiting says what keeps one container from starting.
func (p Pod) waiting(s corev1.ContainerStatus, since time.Time) (hindrance, bool) {
	w := s.State.Waiting
	if w == nil || waitings[w.Reason] == "" {
		return hindrance{}, false
	}
	h := hindrance{
		reason: waitings[w.Reason], detail: "container " + s.Name + ": " + w.Reason + ": " + w.Message,
		since: p.firstWarning(since, failsToStart), works: p.works(s.Name),
	}
	if h.reason == CrashLoop {
		h.restarts = int(s.RestartCount)
		// Of pods that are to be restarted on failure the Job's controller adds up the restarts of all containers.
		h.counted = p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && metav1.GetControllerOf(p) != nil
	}
	return h, true
}

// lately bounds how long ago the last Event of trouble may be that is not in the pod's status. The kubelet reports each
// try to mount, at most two minutes and a bit apart.
const lately = 10 * time.Minute

// unmounted finds a pod that waits for its volumes. Only its Events tell why, and anybody who may make Events can make
// such a one: the kubelet itself must say, by the pod's condition, that no container of it can be started yet. Before
// Kubernetes 1.29 it does not, and such a pod is left alone.
func (p Pod) unmounted(since, now time.Time) (hindrance, bool) {
	if p.Spec.NodeName == "" || started(p.Pod) || !unready(p.Pod) {
		return hindrance{}, false
	}
	for _, e := range p.Events {
		if _, last := pods.EventTimes(e); failsToMount(e.Reason) && now.Sub(last) < lately {
			return hindrance{reason: CannotMount, detail: e.Reason + ": " + e.Message, since: p.firstWarning(since, failsToMount)}, true
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

// firstWarning returns the time of the first Event of trouble since a container of the pod last started or ended, if
// that is before the given one.
func (p Pod) firstWarning(since time.Time, counts func(reason string) bool) time.Time {
	base := lastMove(p.Pod)
	for _, e := range p.Events {
		if at, _ := pods.EventTimes(e); e.Type == corev1.EventTypeWarning && counts(e.Reason) && !at.Before(base) && at.Before(since) {
			since = at
		}
	}
	return since
}

// startable ends a pod that cannot start, after the grace of what keeps it. Restarts that the Job's controller counts
// are left to it, so that a Job gets all the attempts that it was given; and no pod is ended whose main container
// works, unless told to.
func (j *judgement) startable(p Pod) {
	h, stuck := p.hindered(j.now)
	if !stuck || h.counted || h.works && !j.s.EndWorking {
		return
	}
	d := Decision{Reason: h.reason, Detail: h.detail, Since: h.since}
	if h.reason == CrashLoop {
		if j.s.CrashLoops > 0 && h.restarts >= j.s.CrashLoops {
			d.Setting = fmt.Sprintf("crash-loops %d", j.s.CrashLoops)
			d.Detail = fmt.Sprintf("%d restarts, %s", h.restarts, h.detail)
			j.end(p, d)
		}
		return
	}
	name, grace := graceOf(h.reason, j.s.Grace)
	if grace == 0 {
		return
	}
	d.Setting = fmt.Sprintf("%s %s", name, grace)
	if d.At = h.since.Add(grace); j.now.Before(d.At) {
		d.Action, d.Pod = Wait, p.Pod
		j.add(d)
		return
	}
	j.end(p, d)
}

// graceOf returns the setting, and its value, by which a hindrance is borne.
func graceOf(r Reason, g config.Grace) (setting string, grace time.Duration) {
	switch r {
	case ImagePull:
		return "grace-image-pull", g.ImagePull
	case ImageName:
		return "grace-image-name", g.ImageName
	case ConfigMissing:
		return "grace-config", g.Config
	case CannotCreate:
		return "grace-create", g.Create
	case CannotMount:
		return "grace-mount", g.Mount
	case Unschedulable:
		return "grace-schedule", g.Schedule
	default:
		return "grace-no-pod", g.NoPod
	}
}

// end ends a pod: gently by its deadline where a kubelet can do that, else by deletion, which it outlives until it is
// sealed.
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
	name, grace := graceOf(NoPod, j.s.Grace)
	j.due(Decision{
		Action: EndJob, Reason: NoPod, Detail: h.detail, At: h.since.Add(grace), Since: h.since, Setting: fmt.Sprintf("%s %s", name, grace),
	})
}

// refused reports whether no pod can be created for the Job.
func (f Facts) refused(now time.Time) bool {
	j := judgement{Facts: f, now: now}
	if f.Job == nil || f.Job.DeletionTimestamp != nil || pods.Finished(f.Job) {
		return false
	}
	_, stuck := j.refused()
	return stuck
}

func (j *judgement) refused() (hindrance, bool) {
	spec := j.Job.Spec
	// One that wants no pod needs none, whatever an Event says.
	suspended := spec.Suspend != nil && *spec.Suspend || spec.Parallelism != nil && *spec.Parallelism == 0
	alive := slices.ContainsFunc(j.Pods, func(p Pod) bool { return !pods.Over(p.Pod) })
	if suspended || alive || j.Job.Status.Active > 0 || j.Job.Status.StartTime == nil {
		return hindrance{}, false
	}
	base := j.Job.Status.StartTime.Time
	for _, p := range j.Pods {
		base = latest(base, podEnd(p.Pod))
	}
	for _, e := range j.Facts.Events {
		first, last := pods.EventTimes(e)
		if e.Reason == "FailedCreate" && j.now.Sub(last) < lastRefusal && !last.Before(base) {
			return hindrance{reason: NoPod, detail: e.Reason + ": " + strings.TrimSpace(e.Message), since: latest(base, first)}, true
		}
	}
	return hindrance{}, false
}
