package pods

import (
	"maps"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// PostMortem returns the manifest of a pod as far as pod and Job tell it; the logs' records are added when they are
// sealed. job may be nil.
func PostMortem(pod *corev1.Pod, job *batchv1.Job, labels []string) *archive.Manifest {
	m := &archive.Manifest{Pod: podSummary(pod), Workloads: Workloads(labels, pod)}
	if job != nil {
		m.Job = SummaryOfJob(job)
		m.Workloads = Workloads(labels, job, pod)
	}
	for _, c := range Containers(pod) {
		m.Pod.Containers = append(m.Pod.Containers, archive.ContainerSpec{
			Name: c.Spec.Name, Kind: c.Kind, Image: c.Spec.Image,
			Requests: quantities(c.Spec.Resources.Requests), Limits: quantities(c.Spec.Resources.Limits),
		})
	}
	return m
}

func podSummary(pod *corev1.Pod) archive.PodSummary {
	s := archive.PodSummary{
		PodRef: Ref(pod), Labels: pod.Labels, Annotations: ownAnnotations(pod.Annotations),
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

// StateOf returns how an instance ended, from the status that names it.
func StateOf(pod *corev1.Pod, i archive.Instance) archive.ContainerState {
	for _, c := range Containers(pod) {
		if c.Spec.Name != i.Container || c.Status == nil {
			continue
		}
		if last := c.Status.LastTerminationState.Terminated; last != nil && last.ContainerID == i.ContainerID {
			return terminated(c.Status, last)
		}
		if c.Status.ContainerID == i.ContainerID && c.Status.State.Terminated != nil {
			return terminated(c.Status, c.Status.State.Terminated)
		}
		return archive.ContainerState{Image: c.Status.Image, ImageID: c.Status.ImageID}
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
