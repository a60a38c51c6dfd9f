package launch

import (
	"context"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// State is where a launched Job stands.
type State string

// The states of a launched Job.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Over reports whether the state is a Job's last one.
func (s State) Over() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Status is what is known of a launched Job.
type Status struct {
	Name     string
	Kind     Kind
	Workload string
	Attempt  string
	State    State
	Position int    // in the queue, from 1
	Reason   string // why it has failed or was cancelled
	Image    string
	Created  time.Time
}

func (l *Launcher) status(q queue, job *batchv1.Job) Status {
	s := Status{
		Name: job.Name, Kind: kindOf(job), Workload: job.Labels[mark.WorkloadID], Attempt: job.Labels[mark.Attempt],
		Image: job.Annotations[imageName], Created: job.CreationTimestamp.UTC(),
	}
	end := pods.End(job)
	switch {
	case end != nil && end.Type == batchv1.JobComplete:
		s.State = Succeeded
	case end != nil && job.Annotations[cancelled] != "":
		s.State, s.Reason = Cancelled, job.Annotations[cancelled]
	case end != nil:
		s.State, s.Reason = Failed, l.failure(job, end)
	case suspended(job):
		s.State, s.Position = Queued, q.position(job)
	default:
		s.State = Running
	}
	return s
}

// failure says why a Job has failed: the Job's own reason, and how its last container ended.
func (l *Launcher) failure(job *batchv1.Job, end *batchv1.JobCondition) string {
	text := end.Reason
	if end.Message != "" {
		text += ": " + end.Message
	}
	if exit := lastExit(l.parts.Cache.PodsOf(job.UID)); exit != nil {
		text += fmt.Sprintf("; the container ended with exit code %d (%s)", exit.ExitCode, exit.Reason)
	}
	return text
}

func lastExit(pods []*corev1.Pod) *corev1.ContainerStateTerminated {
	var last *corev1.ContainerStateTerminated
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			if t := c.State.Terminated; t != nil && c.Name == mainContainer && (last == nil || t.FinishedAt.After(last.FinishedAt.Time)) {
				last = t
			}
		}
	}
	return last
}

// Wait returns the Job's status once it has ended, or when the context ends, whatever it is then. It listens to the
// cache, and asks the API server only for a Job that the cache does not know yet.
func (l *Launcher) Wait(ctx context.Context, name string) (Status, error) {
	job := l.parts.Cache.Job(name)
	cached := job != nil
	if !cached {
		live, err := l.kube.Job(ctx, name)
		if err != nil {
			return Status{}, err
		}
		if job = live; job == nil || !launched(job) {
			return Status{}, fmt.Errorf("%w: %s", ErrNotFound, name)
		}
	}
	changed, forget := l.waiters.add(job.UID)
	defer forget()
	for {
		if now := l.parts.Cache.Job(name); now != nil && now.UID == job.UID {
			job, cached = now, true
		} else if cached || now != nil {
			return l.gone(job), nil
		}
		s := l.status(l.keeper.view(l.parts.Cache.Jobs()), job)
		if s.State.Over() {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, nil
		}
	}
}

// gone is the status of a Job that is not there any more, as far as it was seen.
func (l *Launcher) gone(job *batchv1.Job) Status {
	s := l.status(queue{}, job)
	if !s.State.Over() {
		s.State, s.Position, s.Reason = Cancelled, 0, "the Job was deleted"
	}
	return s
}

// waiters are told when a Job changes.
type waiters struct {
	mu sync.Mutex
	by map[types.UID]map[chan struct{}]bool // guarded by mu
}

func (w *waiters) add(job types.UID) (changed <-chan struct{}, forget func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[job] == nil {
		w.by[job] = map[chan struct{}]bool{}
	}
	w.by[job][c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.by[job], c); len(w.by[job]) == 0 {
			delete(w.by, job)
		}
	}
}

func (w *waiters) tell(job types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.by[job] {
		select {
		case c <- struct{}{}:
		default: // it has a token already
		}
	}
}
