package wire

import (
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// Job is one Job of a list, or a pod without a Job.
type Job struct {
	Namespace  string            `json:"namespace"`
	Name       string            `json:"name,omitempty"` // "" for a pod without a Job
	UID        archive.JobUID    `json:"uid,omitempty"`
	Pod        string            `json:"pod,omitempty"` // of a pod without a Job
	CreatedAt  time.Time         `json:"createdAt,omitzero"`
	StartedAt  time.Time         `json:"startedAt,omitzero"`
	FinishedAt time.Time         `json:"finishedAt,omitzero"`
	DeletedAt  time.Time         `json:"deletedAt,omitzero"` // a deletion was asked for, or seen
	State      string            `json:"state"`              // running, succeeded, failed, deleted
	Open       bool              `json:"open"`               // some of its pods are not sealed yet
	Labels     map[string]string `json:"labels,omitempty"`
	Workloads  []string          `json:"workloads,omitempty"`
	Pods       []archive.JobPod  `json:"pods"`

	Succeeded    int32               `json:"succeeded"` // pods, as the Job counts them
	Failed       int32               `json:"failed"`
	BackoffLimit *int32              `json:"backoffLimit,omitempty"`
	Conditions   []archive.Condition `json:"conditions,omitempty"`
}

// JobList is one page of a list.
type JobList struct {
	Kind     string   `json:"kind"` // JobList
	Metadata ListMeta `json:"metadata"`
	Items    []Job    `json:"items"`
}

// ListMeta says how a list goes on.
type ListMeta struct {
	Continue string `json:"continue,omitempty"` // for the next page; "": there is none
}

// Workload is a workload with its Jobs.
type Workload struct {
	Kind string `json:"kind"` // Workload
	ID   string `json:"id"`
	Jobs []Job  `json:"jobs"` // those whose namespaces the caller may list, by namespace and name
}

// States of a Job, and of one that was launched.
const (
	Running   = "running"
	Succeeded = "succeeded"
	Failed    = "failed"
	Deleted   = "deleted"   // before it was either
	Queued    = "queued"    // it was launched, and waits for its turn
	Cancelled = "cancelled" // it was launched, and ended on request
)

// Conditions of a Job, as Kubernetes calls them.
const (
	isComplete = "Complete"
	isFailed   = "Failed"
	isTrue     = "True"
)

// JobOf is a Job as it is sent.
func JobOf(kept *archive.KeptJob) Job {
	d := &kept.Document
	j := Job{
		Namespace: kept.Namespace, Name: kept.Job, UID: kept.JobUID, Pod: kept.Pod, CreatedAt: d.Job.CreatedAt,
		StartedAt: d.Job.StartedAt, FinishedAt: d.Job.FinishedAt, DeletedAt: d.Job.DeletedAt, State: stateOf(&d.Job), Open: kept.Open, Labels: d.Job.Labels,
		Workloads: d.Workloads, Pods: d.Pods,
		Succeeded: d.Job.Succeeded, Failed: d.Job.Failed, BackoffLimit: d.Job.BackoffLimit, Conditions: d.Job.Conditions,
	}
	if j.Pods == nil {
		j.Pods = []archive.JobPod{}
	}
	return j
}

func stateOf(j *archive.JobSummary) string {
	switch {
	case j.End() == isFailed:
		return Failed
	case j.End() == isComplete:
		return Succeeded
	case !j.DeletedAt.IsZero():
		return Deleted
	}
	return Running
}

// Kept is the Job as the archive's reader tells it.
func (j *Job) Kept() archive.KeptJob {
	k := archive.KeptJob{Finished: j.State != Running && (j.State != Deleted || !j.Open), Open: j.Open}
	k.PodRef = archive.PodRef{Namespace: j.Namespace, Job: j.Name, JobUID: j.UID, Pod: j.Pod}
	if j.Name == "" && len(j.Pods) > 0 {
		k.PodUID = j.Pods[0].UID
	}
	d := &k.Document
	d.Namespace, d.Workloads, d.Pods = j.Namespace, j.Workloads, j.Pods
	d.Job = archive.JobSummary{
		Name: j.Name, UID: j.UID, Labels: j.Labels, CreatedAt: j.CreatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt, DeletedAt: j.DeletedAt,
		Succeeded: j.Succeeded, Failed: j.Failed, BackoffLimit: j.BackoffLimit, Conditions: j.Conditions,
	}
	// An API that tells no conditions still tells how the Job ended.
	if word := map[string]string{Succeeded: isComplete, Failed: isFailed}[j.State]; word != "" && len(j.Conditions) == 0 {
		d.Job.Conditions = []archive.Condition{{Type: word, Status: isTrue}}
	}
	return k
}
