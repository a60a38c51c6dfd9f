package pods

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// Container is one entry of the pod's container lists with its status.
type Container struct {
	Kind   archive.ContainerKind
	Spec   corev1.Container
	Status *corev1.ContainerStatus // nil: the kubelet has not said anything yet
}

// Containers lists every container of the pod, in the order in which they start.
func Containers(pod *corev1.Pod) []Container {
	var list []Container
	for _, c := range pod.Spec.InitContainers {
		kind := archive.KindInit
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			kind = archive.KindSidecar
		}
		list = append(list, Container{kind, c, statusOf(pod.Status.InitContainerStatuses, c.Name)})
	}
	for _, c := range pod.Spec.Containers {
		list = append(list, Container{archive.KindMain, c, statusOf(pod.Status.ContainerStatuses, c.Name)})
	}
	for _, c := range pod.Spec.EphemeralContainers {
		spec := corev1.Container(c.EphemeralContainerCommon)
		list = append(list, Container{archive.KindEphemeral, spec, statusOf(pod.Status.EphemeralContainerStatuses, c.Name)})
	}
	return list
}

// Unstarted reports whether no instance of the container is known.
func (c Container) Unstarted() bool {
	return c.Status == nil || c.Status.ContainerID == "" && c.Status.LastTerminationState.Terminated == nil
}

// Statuses returns those of all the pod's containers that have one.
func Statuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses)
}

func statusOf(statuses []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// Instances returns every container instance that the pod's status still names, oldest first for each container. The
// status's own container ID and restart count belong together; lastState is the instance before it, unless the
// container waits to be restarted: then lastState and the status name the same, dead, instance.
func Instances(pod *corev1.Pod) []archive.Instance {
	ref := Ref(pod)
	var list []archive.Instance
	for _, c := range Containers(pod) {
		if c.Status == nil {
			continue
		}
		add := func(id string, restart int) {
			if id == "" || restart < 0 {
				return
			}
			list = append(list, archive.Instance{
				PodRef: ref, Container: c.Spec.Name, Kind: c.Kind, Restart: restart, ContainerID: id,
			})
		}
		restarts := int(c.Status.RestartCount)
		if last := c.Status.LastTerminationState.Terminated; last != nil && last.ContainerID != c.Status.ContainerID {
			add(last.ContainerID, restarts-1)
		}
		add(c.Status.ContainerID, restarts)
	}
	return list
}

// Restarts reports whether the kubelet may start the container again in place, so that its name may mean another
// instance the next moment.
func Restarts(pod *corev1.Pod, name string) bool {
	if Over(pod) {
		return false
	}
	if pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		return true
	}
	known := false
	for _, c := range Containers(pod) {
		own := c.Spec.Name == name
		known = known || own
		if own && (c.Spec.RestartPolicy != nil || len(c.Spec.RestartPolicyRules) > 0) || restartsAll(c.Spec.RestartPolicyRules) {
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

// Spent reports whether nothing more will happen in the pod. One that is deleted before it has a node gets none any
// more, whatever holds the object.
func Spent(pod *corev1.Pod) bool {
	return Over(pod) || pod.DeletionTimestamp != nil && pod.Spec.NodeName == ""
}

// Over reports whether no container of the pod will run again.
func Over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// SortRecords puts records in the order of Compare.
func SortRecords(records []archive.InstanceRecord) {
	slices.SortFunc(records, func(a, b archive.InstanceRecord) int { return Compare(a.Instance, b.Instance) })
}

// Compare puts init containers first, as they run, then goes by name and restart.
func Compare(a, b archive.Instance) int {
	order := map[archive.ContainerKind]int{archive.KindInit: 0, archive.KindSidecar: 1, archive.KindMain: 2, archive.KindEphemeral: 3}
	return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), cmp.Compare(a.Container, b.Container), cmp.Compare(a.Restart, b.Restart))
}

// Evicted is the reason of a pod that the kubelet has ended for want of resources on its node.
const Evicted = "Evicted"
