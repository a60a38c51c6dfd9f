package archive

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
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

// Instance names one container instance: what one log belongs to. A container that restarts is a new instance.
type Instance struct {
	PodRef
	Container   string        `json:"container"`
	Kind        ContainerKind `json:"kind"`
	Restart     int           `json:"restart"`               // the kubelet's restart count, 0 for the first start
	ContainerID string        `json:"containerID,omitempty"` // with the runtime's scheme, as in the pod's status
}

// LogValue gives the instance to slog under the fixed keys of the project.
func (i Instance) LogValue() slog.Value {
	return slog.GroupValue(append(i.attrs(), slog.String("container", i.Container), slog.Int("restart", i.Restart))...)
}

// LogValue gives the pod to slog under the fixed keys of the project.
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

// formatVersion stands in every key and in every document.
const formatVersion = "v1"

// barePods stands in the Job's place for pods without a Job. It cannot be the name of a Job.
const barePods = "_pod"

// JobPrefix is the folder of everything that is kept of the pod's Job; it ends in a slash.
func (p PodRef) JobPrefix() string {
	if p.Job == "" {
		return fmt.Sprintf("%s/%s/%s/", formatVersion, p.Namespace, barePods)
	}
	return fmt.Sprintf("%s/%s/%s/%s/", formatVersion, p.Namespace, p.Job, p.JobUID)
}

// Prefix is the folder of everything that is kept of the pod; it ends in a slash.
func (p PodRef) Prefix() string { return fmt.Sprintf("%s%s.%s/", p.JobPrefix(), p.Pod, p.PodUID) }

// ManifestKey is where the pod's manifest is.
func (p PodRef) ManifestKey() Key { return Key(p.Prefix() + "manifest.json") }

// JobKey is where the Job's document is.
func (p PodRef) JobKey() Key { return Key(p.JobPrefix() + "job.json") }

// logExt ends the key of every log object.
const logExt = ".log.zst"

// LogKey is where the instance's log object is.
func (i Instance) LogKey() Key {
	return Key(fmt.Sprintf("%s%s.%d%s", i.Prefix(), i.Container, i.Restart, logExt))
}

// otherLogKey is where the log object is when another log stands under LogKey: that of a replica that held less, or that
// did not die when it seemed to. The key names the text by the start of its checksum, so that two puts of it never meet another text.
func (i Instance) otherLogKey(sum string) Key {
	return Key(fmt.Sprintf("%s%s.%d.%s%s", i.Prefix(), i.Container, i.Restart, sum, logExt))
}

// DayIndexKey finds the pod's Job by the day on which it was created.
func (p PodRef) DayIndexKey(created time.Time) Key {
	return Key(fmt.Sprintf("%s/_index/day/%s/%s", formatVersion, created.UTC().Format(time.DateOnly), p.indexName()))
}

// WorkloadIndexKey finds the pod's Job by a workload's id.
func (p PodRef) WorkloadIndexKey(workload string) Key {
	return Key(fmt.Sprintf("%s/_index/workload/%s/%s", formatVersion, workload, p.indexName()))
}

// PodIndexKey finds the pod by a name that is not made of its Job's, as that of a pod which the Job has adopted.
func (p PodRef) PodIndexKey() Key {
	return Key(fmt.Sprintf("%s%s", podIndexFolder(p.Namespace, p.Pod), p.indexName()))
}

func podIndexFolder(namespace, pod string) string {
	return fmt.Sprintf("%s/_index/pod/%s/%s/", formatVersion, namespace, pod)
}

// strange: the pod's name does not lead to its Job's folder.
func (p PodRef) strange() bool {
	prefixes := podPrefixes(Target{Namespace: p.Namespace, Pod: p.Pod})
	return p.Pod != "" && !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p.Prefix(), prefix) })
}

// indexKeys are all keys by which the pod's Job is found.
func (p PodRef) indexKeys(created time.Time, workloads []string) []Key {
	keys := []Key{p.DayIndexKey(created)}
	for _, w := range workloads {
		keys = append(keys, p.WorkloadIndexKey(w))
	}
	if p.strange() {
		keys = append(keys, p.PodIndexKey())
	}
	return keys
}

// indexName is unambiguous because a Kubernetes name may hold dots but a UID and a namespace may not.
func (p PodRef) indexName() string {
	if p.Job == "" {
		return fmt.Sprintf("%s.%s.%s.%s", p.Namespace, barePods, p.Pod, p.PodUID)
	}
	return fmt.Sprintf("%s.%s.%s", p.Namespace, p.Job, p.JobUID)
}
