package pods

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// NotRun turns the record of a container that was made but never ran into one that says so: the kubelet gives it a
// container ID and an exit, but no start.
func NotRun(r archive.InstanceRecord) archive.InstanceRecord {
	s := r.State
	if s.ExitCode == nil || !s.StartedAt.IsZero() || r.Log != nil || s.Reason != "StartError" && s.Reason != "ContainerCannotRun" {
		return r
	}
	r.Verdict, r.Gaps = archive.NeverStarted, nil
	r.Reason = s.Reason + ": " + s.Message
	return r
}

// StillNotStarted returns the record of one that had not started: a container that had not started when the pod was
// last seen may have started after, unless the pod was over.
func StillNotStarted(draft *archive.Manifest, r archive.InstanceRecord) archive.InstanceRecord {
	if phase := corev1.PodPhase(draft.Pod.Phase); phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		return r
	}
	r.Verdict, r.Reason = archive.Lost, "the pod went away while no daemon watched; when it was last seen the container had not started: "+r.Reason
	r.Gaps = []archive.Gap{{Reason: archive.GapRestart, Unproven: true}}
	return r
}

// NeverStarted returns a record for each container of the pod that no instance of is known, with the reason as the
// kubelet or the scheduler gave it. waited holds what the kubelet said before the pod ended: then it may say no more
// than that the container cannot be found.
func NeverStarted(pod *corev1.Pod, waited map[string]corev1.ContainerStateWaiting) []archive.InstanceRecord {
	var records []archive.InstanceRecord
	for _, c := range Containers(pod) {
		if !c.Unstarted() {
			continue
		}
		r := archive.InstanceRecord{
			Instance: archive.Instance{PodRef: Ref(pod), Container: c.Spec.Name, Kind: c.Kind},
			Verdict:  archive.NeverStarted,
			State:    archive.ContainerState{Image: c.Spec.Image},
		}
		r.State.Reason, r.State.Message = whyNot(pod, c.Status)
		if w, ok := waited[c.Spec.Name]; ok && (c.Status == nil || !TellsWhy(c.Status.State.Waiting)) {
			r.State.Reason, r.State.Message = w.Reason, w.Message
		}
		r.Reason = r.State.Reason
		if r.State.Message != "" {
			r.Reason += ": " + r.State.Message
		}
		records = append(records, r)
	}
	return records
}

// TellsWhy reports whether the container waits for a reason that says something; the others are the ordinary course.
func TellsWhy(w *corev1.ContainerStateWaiting) bool {
	return w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating"
}

// whyNot finds the reason for which a container did not start.
func whyNot(pod *corev1.Pod, status *corev1.ContainerStatus) (reason, message string) {
	if status != nil {
		if w := status.State.Waiting; TellsWhy(w) {
			return w.Reason, w.Message
		}
		if t := status.State.Terminated; t != nil {
			return t.Reason, t.Message
		}
	}
	if pod.Status.Reason != "" {
		return pod.Status.Reason, pod.Status.Message
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason, c.Message
		}
	}
	for _, c := range Containers(pod) {
		if c.Kind == archive.KindInit && c.Status != nil && c.Status.State.Terminated != nil && c.Status.State.Terminated.ExitCode != 0 {
			return "InitContainerFailed", "init container " + c.Spec.Name + " failed before this one could start"
		}
	}
	if status != nil && status.State.Waiting != nil {
		return status.State.Waiting.Reason, status.State.Waiting.Message
	}
	return "Unknown", "the pod ended before the kubelet reported on the container"
}
