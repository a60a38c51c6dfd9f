package archive

import (
	"fmt"
	"slices"
)

// Target names whose logs are asked for: exactly one of Workload, Job and Pod is set. A UID narrows a name that was
// used more than once.
type Target struct {
	Namespace string // required with Job and Pod; with Workload "" means any
	Workload  string // a workload's id: the logs of all its Jobs
	Job       string // a Job's name: the logs of all its pods, in all Jobs that had the name
	JobUID    JobUID // with Job only
	Pod       string // a pod's name
	PodUID    PodUID // with Pod only
}

// Target names the pod's logs.
func (p PodRef) Target() Target { return Target{Namespace: p.Namespace, Pod: p.Pod, PodUID: p.PodUID} }

// JobTarget names the logs of the pod's Job, or of a pod without one.
func (p PodRef) JobTarget() Target {
	if p.Job == "" {
		return p.Target()
	}
	return Target{Namespace: p.Namespace, Job: p.Job, JobUID: p.JobUID}
}

// String is the target in words for error texts.
func (t Target) String() string {
	switch {
	case t.Workload != "":
		return "workload " + t.Workload
	case t.Job != "":
		return fmt.Sprintf("Job %s/%s", t.Namespace, t.Job)
	default:
		return fmt.Sprintf("pod %s/%s", t.Namespace, t.Pod)
	}
}

// Validate returns a *QueryError where the target does not name exactly one workload, Job or pod, or has a part that
// could lead out of the archive's folders.
func (t *Target) Validate() error {
	named := 0
	for _, name := range []string{t.Workload, t.Job, t.Pod} {
		if name != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return BadQuery("Target", fmt.Sprintf("%+v", *t), "one of Workload, Job and Pod")
	case t.Namespace == "" && t.Workload == "":
		return BadQuery("Namespace", "", "the namespace of the "+t.String())
	case t.JobUID != "" && t.Job == "":
		return BadQuery("JobUID", t.JobUID, "given with Job only")
	case t.PodUID != "" && t.Pod == "":
		return BadQuery("PodUID", t.PodUID, "given with Pod only")
	}
	for _, part := range []struct{ field, value string }{
		{"Namespace", t.Namespace}, {"Workload", t.Workload}, {"Job", t.Job}, {"JobUID", string(t.JobUID)},
		{"Pod", t.Pod}, {"PodUID", string(t.PodUID)},
	} {
		if part.value != "" && !PlainName(part.value) {
			return BadQuery(part.field, part.value, "a name without slashes that does not start with a dot")
		}
	}
	return nil
}

// Matches reports whether a pod is one of the target's. A target that names nothing but a namespace, as only a list has
// it, is all pods there.
func (t *Target) Matches(p PodRef, workloads []string) bool {
	switch {
	case t.Namespace != "" && p.Namespace != t.Namespace:
		return false
	case t.Workload != "":
		return slices.Contains(workloads, t.Workload)
	case t.Job != "":
		return p.Job == t.Job && (t.JobUID == "" || p.JobUID == t.JobUID)
	default:
		return (t.Pod == "" || p.Pod == t.Pod) && (t.PodUID == "" || p.PodUID == t.PodUID)
	}
}
