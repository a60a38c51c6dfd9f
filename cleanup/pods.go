package cleanup

import (
	"cmp"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// retries deletes failed pods beyond the newest. One that the Job's controller has not counted yet keeps its finalizer,
// and is left to it: deleting it would be a failure more, or less.
func (j *judgement) retries() {
	if j.s.RetryPods == 0 {
		return
	}
	var failures []Pod
	for _, p := range j.Pods {
		if j.owned(p) && p.Status.Phase == corev1.PodFailed && p.DeletionTimestamp == nil && !keeps(p.Pod) {
			failures = append(failures, p)
		}
	}
	slices.SortFunc(failures, func(a, b Pod) int {
		return cmp.Or(podEnd(b.Pod).Compare(podEnd(a.Pod)), cmp.Compare(a.UID, b.UID))
	})
	for _, p := range failures[min(j.s.RetryPods, len(failures)):] {
		if p.Sealed && !has(p.Finalizers, batchv1.JobTrackingFinalizer) {
			j.add(Decision{Action: DeletePod, Reason: Retry, Pod: p.Pod})
		}
	}
}

// orphans is for pods whose Job is gone: nobody else would ever end or delete them.
func (j *judgement) orphans() {
	for _, p := range j.Pods {
		switch {
		case p.DeletionTimestamp != nil:
			j.keep(Deleting)
		case !j.s.Enabled:
			j.keep(Disabled)
		case keeps(p.Pod):
			j.keep(Kept)
		case !pods.Over(p.Pod):
			j.keep(Running)
			j.startable(p)
		default:
			j.ended(p)
		}
	}
}

func (j *judgement) ended(p Pod) {
	at := podEnd(p.Pod).Add(j.s.OrphanTTL)
	if !j.now.Before(at) && !p.Sealed && !p.Unproven {
		j.add(Decision{Action: Keep, Reason: Unsealed, At: at})
		return
	}
	j.due(Decision{Action: DeletePod, Reason: Orphan, Pod: p.Pod, At: at})
}

func keeps(p *corev1.Pod) bool {
	text, there := p.Annotations[mark.Keep]
	return there && text != "false"
}

func launched(job *batchv1.Job) bool { return job.Labels[mark.Kind] != "" }

func has(list []string, word string) bool { return slices.Contains(list, word) }

// podEnd returns the time when the pod ended, as well as its status tells.
func podEnd(p *corev1.Pod) time.Time {
	var end time.Time
	for _, s := range pods.Statuses(p) {
		if t := s.State.Terminated; t != nil {
			end = latest(end, t.FinishedAt.Time)
		}
	}
	if end.Unix() > 0 {
		return end
	}
	for _, c := range p.Status.Conditions {
		end = latest(end, c.LastTransitionTime.Time)
	}
	return latest(end, p.CreationTimestamp.Time)
}

// lastMove returns the time when a container of the pod last started or ended, or else when the kubelet took the pod
// up.
func lastMove(p *corev1.Pod) time.Time {
	var at time.Time
	if p.Status.StartTime != nil {
		at = p.Status.StartTime.Time
	}
	for _, s := range pods.Statuses(p) {
		for _, state := range []corev1.ContainerState{s.State, s.LastTerminationState} {
			if state.Running != nil {
				at = latest(at, state.Running.StartedAt.Time)
			}
			if state.Terminated != nil {
				at = latest(at, state.Terminated.FinishedAt.Time)
			}
		}
	}
	return at
}

// started: a container of the pod has run.
func started(p *corev1.Pod) bool {
	return slices.ContainsFunc(pods.Statuses(p), func(s corev1.ContainerStatus) bool {
		return s.State.Running != nil || s.State.Terminated != nil || s.RestartCount > 0
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
