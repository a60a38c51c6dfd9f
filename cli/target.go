package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
)

// origin is where answers come from: the archive itself (archive.Reader) or the daemon. All of it may wait on the
// network, and ends with its context. Safe for concurrent use.
type origin interface {
	// Jobs, Job, Manifest and Read are archive.Reader's.
	Jobs(ctx context.Context, q archive.JobQuery) iter.Seq2[archive.KeptJob, error]
	Job(ctx context.Context, namespace, name string, uid archive.JobUID) (*archive.KeptJob, error)
	Manifest(ctx context.Context, pod archive.PodRef) (m *archive.Manifest, sealed bool, err error)
	Read(ctx context.Context, q archive.Query) (*archive.Answer, error)
}

const targetHelp = `NAME is that of a Job or a pod, or the id of a workload. Where a name could be several things, a Job is looked for
first; job/NAME, pod/NAME and workload/ID say which is meant.`

var workloadID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// parseTarget takes what a user named. sure: there is only one thing that it can mean; otherwise it is the Job, and may
// be a pod.
func parseTarget(namespace, text string) (t archive.Target, sure bool, err error) {
	kind, name, found := strings.Cut(text, "/")
	if !found {
		kind, name = "", text
	}
	if name == "" {
		return t, false, wrongUse("%q names nothing, want job/NAME, pod/NAME or workload/ID", text)
	}
	switch strings.ToLower(kind) {
	case "":
		if workloadID.MatchString(name) {
			return archive.Target{Workload: name}, true, nil
		}
		return archive.Target{Namespace: namespace, Job: name}, false, nil
	case "job", "jobs", "job.batch", "jobs.batch":
		return archive.Target{Namespace: namespace, Job: name}, true, nil
	case "pod", "pods", "po":
		return archive.Target{Namespace: namespace, Pod: name}, true, nil
	case "workload", "workloads", "wl":
		return archive.Target{Workload: name}, true, nil
	default:
		return t, false, wrongUse("%q is of kind %q, want job/NAME, pod/NAME or workload/ID", text, kind)
	}
}

// findTarget returns what a user's target means, by asking where it is not sure.
func findTarget(ctx context.Context, o origin, namespace, text string) (archive.Target, error) {
	t, sure, err := parseTarget(namespace, text)
	if err != nil || sure {
		return t, err
	}
	_, err = o.Job(ctx, t.Namespace, t.Job, "")
	if !errors.Is(err, archive.ErrNotFound) {
		return t, err
	}
	pod := archive.PodRef{Namespace: namespace, Pod: t.Job}
	_, _, err = o.Manifest(ctx, pod)
	if errors.Is(err, archive.ErrNotFound) {
		return t, fmt.Errorf("neither a Job nor a pod %q is kept in namespace %q: %w", t.Job, namespace, archive.ErrNotFound)
	}
	return archive.Target{Namespace: namespace, Pod: pod.Pod}, err
}

// jobsOf returns the Jobs of a target that is no pod.
func jobsOf(ctx context.Context, o origin, t archive.Target) ([]archive.KeptJob, error) {
	if t.Job != "" {
		job, err := o.Job(ctx, t.Namespace, t.Job, t.JobUID)
		if err != nil {
			return nil, err
		}
		return []archive.KeptJob{*job}, nil
	}
	var jobs []archive.KeptJob
	for job, err := range o.Jobs(ctx, archive.JobQuery{Namespace: t.Namespace, Workload: t.Workload}) {
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("%s: %w", t, archive.ErrNotFound)
	}
	return jobs, nil
}

// podsOf returns what is kept of the target's pods, in the order in which they were made.
func podsOf(ctx context.Context, o origin, t archive.Target) ([]*archive.Manifest, error) {
	if t.Pod != "" {
		m, _, err := o.Manifest(ctx, archive.PodRef{Namespace: t.Namespace, Pod: t.Pod, PodUID: t.PodUID})
		if err != nil {
			return nil, err
		}
		return []*archive.Manifest{m}, nil
	}
	jobs, err := jobsOf(ctx, o, t)
	if err != nil {
		return nil, err
	}
	var pods []*archive.Manifest
	for i := range jobs {
		of, err := podsOfJob(ctx, o, &jobs[i])
		if err != nil {
			return nil, err
		}
		pods = append(pods, of...)
	}
	return pods, nil
}

func podsOfJob(ctx context.Context, o origin, job *archive.KeptJob) ([]*archive.Manifest, error) {
	var pods []*archive.Manifest
	for _, pod := range job.Document.Pods {
		ref := job.PodRef
		ref.Pod, ref.PodUID = pod.Name, pod.UID
		m, _, err := o.Manifest(ctx, ref)
		if err != nil {
			return nil, err
		}
		pods = append(pods, m)
	}
	return pods, nil
}
