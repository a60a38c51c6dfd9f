package archive

import (
	"fmt"
	"log/slog"
)

// JobUID is the UID that the API server gave a Job.
type JobUID string

// PodUID is the UID that the API server gave a pod.
type PodUID string

// ContainerKind says which of a pod's container lists an instance comes from.
type ContainerKind string

// The kinds of containers. A sidecar is an init container that restarts.
const (
	KindInit      ContainerKind = "init"
	KindSidecar   ContainerKind = "sidecar"
	KindMain      ContainerKind = "main"
	KindEphemeral ContainerKind = "ephemeral"
)

// PodRef names one pod and the Job that it belongs to.
type PodRef struct {
	Namespace string `json:"namespace"`
	Job       string `json:"job,omitempty"`    // "" for a bare pod
	JobUID    JobUID `json:"jobUID,omitempty"` // "" for a bare pod
	Pod       string `json:"pod"`
	PodUID    PodUID `json:"podUID"`
}

// OfJob names the pod's Job alone.
func (p PodRef) OfJob() PodRef {
	return PodRef{Namespace: p.Namespace, Job: p.Job, JobUID: p.JobUID}
}

// Instance names one container instance: what one log belongs to. A container that restarts is a new instance.
type Instance struct {
	PodRef
	Container   string        `json:"container"`
	Kind        ContainerKind `json:"kind"`
	Restart     int           `json:"restart"`               // the kubelet's restart count, 0 for the first start
	ContainerID string        `json:"containerID,omitempty"` // with the runtime's scheme, as in the pod's status
}

// LogValue returns the instance to slog under the fixed keys of the project.
func (i Instance) LogValue() slog.Value {
	return slog.GroupValue(append(i.attrs(), slog.String("container", i.Container), slog.Int("restart", i.Restart))...)
}

// LogValue returns the pod to slog under the fixed keys of the project.
func (p PodRef) LogValue() slog.Value { return slog.GroupValue(p.attrs()...) }

func (p PodRef) attrs() []slog.Attr {
	return []slog.Attr{
		slog.String("namespace", p.Namespace), slog.String("job", p.Job),
		slog.String("pod", p.Pod), slog.String("pod_uid", string(p.PodUID)),
	}
}

// String is the instance in words for error texts.
func (i Instance) String() string {
	return fmt.Sprintf("%s/%s/%s[%d]", i.Namespace, i.Pod, i.Container, i.Restart)
}

// LogID names an instance within everything that is kept. It is a key of maps, and what a client is given to resume
// with.
type LogID struct {
	Pod       PodUID
	Container string
	Restart   int
}

// ID is what names the instance's log.
func (i Instance) ID() LogID { return LogID{i.PodUID, i.Container, i.Restart} }
