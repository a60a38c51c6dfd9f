package pods

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// Ended reports whether nothing more will be written: somebody has reported the instance's end, or that of its pod. One
// that is created and was not started yet has not ended, however quiet it is.
func (s Sight) Ended() bool { return s.Terminated != nil || s.Over() }

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

// Readable reports whether the API can still be asked for the instance's log.
func (s Sight) Readable() bool { return !s.Gone && (s.Current || s.Previous) }

// Over reports whether no container of the pod will run again, whatever their states say.
func (s Sight) Over() bool { return s.Pod != nil && Over(s.Pod) }

// SightOf reads the pod's status for one instance. A container that waits has its dead instance in lastState, and the
// API serves that one both plainly and as previous.
func SightOf(pod *corev1.Pod, i archive.Instance) Sight {
	s := Sight{Pod: pod, Deleting: pod.DeletionTimestamp != nil}
	if archive.PodUID(pod.UID) != i.PodUID {
		return Sight{Gone: true}
	}
	var status *corev1.ContainerStatus
	for _, c := range Containers(pod) {
		if c.Spec.Name == i.Container {
			status = c.Status
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

// StartedAt returns when the instance started, to the second; zero where it is not known.
func (s Sight) StartedAt(i archive.Instance) time.Time {
	if s.Terminated != nil {
		return s.Terminated.StartedAt.Time
	}
	if s.Pod == nil {
		return time.Time{}
	}
	for _, c := range Containers(s.Pod) {
		if c.Spec.Name == i.Container && c.Status != nil && c.Status.ContainerID == i.ContainerID && c.Status.State.Running != nil {
			return c.Status.State.Running.StartedAt.Time
		}
	}
	return time.Time{}
}
