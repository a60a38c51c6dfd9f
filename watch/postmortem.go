package watch

import (
	"maps"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// postMortem is postMortem of a pod as it is kept.
func (p *pod) postMortem(labels []string) *archive.Manifest {
	m := postMortem(p.last, p.job, labels)
	m.Pod.PodRef, m.Pod.Alone = p.named, p.alone
	return m
}

// postMortem gives the manifest of a pod as far as pod and Job tell it; the logs' records are added when they are sealed.
// job may be nil.
func postMortem(pod *corev1.Pod, job *batchv1.Job, labels []string) *archive.Manifest {
	m := &archive.Manifest{Pod: podSummary(pod), Workloads: workloads(labels, pod)}
	if job != nil {
		m.Job = jobSummary(job)
		m.Workloads = workloads(labels, job, pod)
	}
	for _, c := range containers(pod) {
		m.Pod.Containers = append(m.Pod.Containers, archive.ContainerSpec{
			Name: c.spec.Name, Kind: c.kind, Image: c.spec.Image,
			Requests: quantities(c.spec.Resources.Requests), Limits: quantities(c.spec.Resources.Limits),
		})
	}
	return m
}

func podSummary(pod *corev1.Pod) archive.PodSummary {
	s := archive.PodSummary{
		PodRef: RefOf(pod), Labels: pod.Labels, Annotations: ownAnnotations(pod.Annotations),
		Node: pod.Spec.NodeName, ServiceAccount: pod.Spec.ServiceAccountName,
		Phase: string(pod.Status.Phase), Reason: pod.Status.Reason, Message: pod.Status.Message,
		RestartPolicy: string(pod.Spec.RestartPolicy), CreatedAt: pod.CreationTimestamp.UTC(),
		StartedAt: utc(pod.Status.StartTime), DeletedAt: utc(pod.DeletionTimestamp),
	}
	for _, c := range pod.Status.Conditions {
		s.Conditions = append(s.Conditions, archive.Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message, At: c.LastTransitionTime.UTC(),
		})
	}
	return s
}

func jobSummary(job *batchv1.Job) *archive.JobSummary {
	s := &archive.JobSummary{
		Name: job.Name, UID: archive.JobUID(job.UID), Labels: job.Labels, CreatedAt: job.CreationTimestamp.UTC(),
		StartedAt: utc(job.Status.StartTime), DeletedAt: utc(job.DeletionTimestamp), Succeeded: job.Status.Succeeded, Failed: job.Status.Failed,
		BackoffLimit: job.Spec.BackoffLimit,
	}
	for _, c := range job.Status.Conditions {
		s.Conditions = append(s.Conditions, archive.Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message, At: c.LastTransitionTime.UTC(),
		})
		// A failed Job has no completion time: the condition's is the end of both kinds.
		if finished(c) {
			s.FinishedAt = c.LastTransitionTime.UTC()
		}
	}
	return s
}

func finished(c batchv1.JobCondition) bool {
	return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
}

// ownAnnotations leaves out what the cache added.
func ownAnnotations(all map[string]string) map[string]string {
	kept := maps.Clone(all)
	maps.DeleteFunc(kept, func(annotation, _ string) bool { return isOfCache(annotation) })
	return kept
}

func quantities(list corev1.ResourceList) map[string]string {
	if len(list) == 0 {
		return nil
	}
	texts := make(map[string]string, len(list))
	for name, q := range list {
		texts[string(name)] = q.String()
	}
	return texts
}

func utc(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// stateOf gives how an instance ended, from the status that names it.
func stateOf(pod *corev1.Pod, i archive.Instance) archive.ContainerState {
	for _, c := range containers(pod) {
		if c.spec.Name != i.Container || c.status == nil {
			continue
		}
		if last := c.status.LastTerminationState.Terminated; last != nil && last.ContainerID == i.ContainerID {
			return terminated(c.status, last)
		}
		if c.status.ContainerID == i.ContainerID && c.status.State.Terminated != nil {
			return terminated(c.status, c.status.State.Terminated)
		}
		return archive.ContainerState{Image: c.status.Image, ImageID: c.status.ImageID}
	}
	return archive.ContainerState{}
}

func terminated(status *corev1.ContainerStatus, t *corev1.ContainerStateTerminated) archive.ContainerState {
	code := t.ExitCode
	return archive.ContainerState{
		Image: status.Image, ImageID: status.ImageID, ExitCode: &code, Signal: t.Signal, Reason: t.Reason, Message: t.Message,
		StartedAt: started(t), FinishedAt: t.FinishedAt.UTC(),
	}
}

// started leaves out the year 1970, which the kubelet gives for a container that never ran.
func started(t *corev1.ContainerStateTerminated) time.Time {
	if t.StartedAt.Unix() <= 0 {
		return time.Time{}
	}
	return t.StartedAt.UTC()
}

// neverStarted gives a record for each container of the pod that no instance of is known, with the reason as the kubelet or
// the scheduler gave it. waited holds what the kubelet said before the pod ended: then it may say no more than that the
// container cannot be found.
func neverStarted(pod *corev1.Pod, waited map[string]corev1.ContainerStateWaiting) []archive.InstanceRecord {
	var records []archive.InstanceRecord
	for _, c := range containers(pod) {
		if !c.unstarted() {
			continue
		}
		r := archive.InstanceRecord{
			Instance: archive.Instance{PodRef: RefOf(pod), Container: c.spec.Name, Kind: c.kind},
			Verdict:  archive.NeverStarted,
			State:    archive.ContainerState{Image: c.spec.Image},
		}
		r.State.Reason, r.State.Message = whyNot(pod, c.status)
		if w, ok := waited[c.spec.Name]; ok && (c.status == nil || !tells(c.status.State.Waiting)) {
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

// tells: the container waits for a reason that says something; the others are the ordinary course.
func tells(w *corev1.ContainerStateWaiting) bool {
	return w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating"
}

// whyNot finds the reason for which a container did not start.
func whyNot(pod *corev1.Pod, status *corev1.ContainerStatus) (reason, message string) {
	if status != nil {
		if w := status.State.Waiting; tells(w) {
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
	for _, c := range containers(pod) {
		if c.kind == archive.KindInit && c.status != nil && c.status.State.Terminated != nil && c.status.State.Terminated.ExitCode != 0 {
			return "InitContainerFailed", "init container " + c.spec.Name + " failed before this one could start"
		}
	}
	if status != nil && status.State.Waiting != nil {
		return status.State.Waiting.Reason, status.State.Waiting.Message
	}
	return "Unknown", "the pod ended before the kubelet reported on the container"
}
