package watch

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// RefOf names the pod for the archive, by what it says of itself.
func RefOf(pod *corev1.Pod) archive.PodRef {
	ref := archive.PodRef{Namespace: pod.Namespace, Pod: pod.Name, PodUID: archive.PodUID(pod.UID)}
	if owner := jobOf(pod); owner != nil {
		ref.Job, ref.JobUID = owner.Name, archive.JobUID(owner.UID)
	}
	return ref
}

// container is one entry of the pod's container lists with its status.
type container struct {
	kind   archive.ContainerKind
	spec   corev1.Container
	status *corev1.ContainerStatus // nil: the kubelet has not said anything yet
}

// containers lists every container of the pod, in the order in which they start.
func containers(pod *corev1.Pod) []container {
	var list []container
	for _, c := range pod.Spec.InitContainers {
		kind := archive.KindInit
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			kind = archive.KindSidecar
		}
		list = append(list, container{kind, c, statusOf(pod.Status.InitContainerStatuses, c.Name)})
	}
	for _, c := range pod.Spec.Containers {
		list = append(list, container{archive.KindMain, c, statusOf(pod.Status.ContainerStatuses, c.Name)})
	}
	for _, c := range pod.Spec.EphemeralContainers {
		spec := corev1.Container(c.EphemeralContainerCommon)
		list = append(list, container{archive.KindEphemeral, spec, statusOf(pod.Status.EphemeralContainerStatuses, c.Name)})
	}
	return list
}

// unstarted says that no instance of the container is known.
func (c container) unstarted() bool {
	return c.status == nil || c.status.ContainerID == "" && c.status.LastTerminationState.Terminated == nil
}

func statusOf(statuses []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// instances gives every container instance that the pod's status still names, oldest first for each container. The status's
// own container ID and restart count belong together; lastState is the instance before it, unless the container waits to
// be restarted: then lastState and the status name the same, dead, instance.
func instances(pod *corev1.Pod) []archive.Instance {
	ref := RefOf(pod)
	var list []archive.Instance
	for _, c := range containers(pod) {
		if c.status == nil {
			continue
		}
		add := func(id string, restart int) {
			if id == "" || restart < 0 {
				return
			}
			list = append(list, archive.Instance{
				PodRef: ref, Container: c.spec.Name, Kind: c.kind, Restart: restart, ContainerID: id,
			})
		}
		restarts := int(c.status.RestartCount)
		if last := c.status.LastTerminationState.Terminated; last != nil && last.ContainerID != c.status.ContainerID {
			add(last.ContainerID, restarts-1)
		}
		add(c.status.ContainerID, restarts)
	}
	return list
}

// Sight is what a look at the pod says of one instance.
type Sight struct {
	Pod        *corev1.Pod // as it was last seen; nil: never
	Gone       bool        // the API server has no such pod any more, or another one under its name
	Deleting   bool        // a deletion was asked for
	Current    bool        // the API serves this instance's log under the container's name
	Previous   bool        // the API serves it as the previous one
	Running    bool
	Terminated *corev1.ContainerStateTerminated // how it ended, if that is known
}

// Readable says that the API can still be asked for the instance's log.
func (s Sight) Readable() bool { return !s.Gone && (s.Current || s.Previous) }

// over says that no container of the pod will run again, whatever their states say.
func (s Sight) over() bool { return s.Pod != nil && over(s.Pod) }

// sight reads the pod's status for one instance. A container that waits has its dead instance in lastState, and the API
// serves that one both plainly and as previous.
func sight(pod *corev1.Pod, i archive.Instance) Sight {
	s := Sight{Pod: pod, Deleting: pod.DeletionTimestamp != nil}
	if archive.PodUID(pod.UID) != i.PodUID {
		return Sight{Gone: true}
	}
	var status *corev1.ContainerStatus
	for _, c := range containers(pod) {
		if c.spec.Name == i.Container {
			status = c.status
		}
	}
	if status == nil {
		return s
	}
	if last := status.LastTerminationState.Terminated; last != nil && last.ContainerID == i.ContainerID {
		s.Terminated = last
		s.Previous = true
		return s
	}
	if status.ContainerID != i.ContainerID {
		return s
	}
	s.Current = true
	s.Running = status.State.Running != nil
	s.Terminated = status.State.Terminated
	return s
}

// startedAt gives when the instance started, to the second; zero where it is not known.
func (s Sight) startedAt(i archive.Instance) time.Time {
	if s.Terminated != nil {
		return s.Terminated.StartedAt.Time
	}
	if s.Pod == nil {
		return time.Time{}
	}
	for _, c := range containers(s.Pod) {
		if c.spec.Name == i.Container && c.status != nil && c.status.ContainerID == i.ContainerID && c.status.State.Running != nil {
			return c.status.State.Running.StartedAt.Time
		}
	}
	return time.Time{}
}

// restarts: the kubelet may start the container again in place, so that its name may mean another instance the next moment.
func restarts(pod *corev1.Pod, name string) bool {
	if over(pod) {
		return false
	}
	if pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		return true
	}
	known := false
	for _, c := range containers(pod) {
		own := c.spec.Name == name
		known = known || own
		if own && (c.spec.RestartPolicy != nil || len(c.spec.RestartPolicyRules) > 0) || restartsAll(c.spec.RestartPolicyRules) {
			return true
		}
	}
	return !known
}

// restartsAll: one of a container's rules restarts every container of its pod.
func restartsAll(rules []corev1.ContainerRestartRule) bool {
	return slices.ContainsFunc(rules, func(r corev1.ContainerRestartRule) bool {
		return r.Action == corev1.ContainerRestartRuleActionRestartAllContainers
	})
}

// spent: nothing more will happen in the pod. One that is deleted before it has a node gets none any more, whatever holds the
// object.
func spent(pod *corev1.Pod) bool {
	return over(pod) || pod.DeletionTimestamp != nil && pod.Spec.NodeName == ""
}

// over: no container of the pod will run again.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
