package launch

import (
	"cmp"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Limits say how many launched Jobs may run at once.
type Limits struct {
	Total  int
	ByKind map[Kind]int // within Total; a kind without a number has no limit of its own
	Queued int          // Jobs that may wait
}

// queue is the Jobs of the namespace as they stood at one moment. Everything it says is a pure function of them.
type queue struct {
	jobs   []*batchv1.Job // launched ones only
	limits Limits
}

// next returns the Job that may start now, nil where none may. First come, first served, but who cannot start lets
// others pass: a runner whose image is being built, or one of a kind of which as many run as may.
func (q queue) next() *batchv1.Job {
	running, byKind := 0, map[Kind]int{}
	for _, job := range q.jobs {
		if holdsSlot(job) {
			running++
			byKind[kindOf(job)]++
		}
	}
	if running >= q.limits.Total {
		return nil
	}
	var first *batchv1.Job
	for _, job := range q.jobs {
		limit, limited := q.limits.ByKind[kindOf(job)]
		full := limited && byKind[kindOf(job)] >= limit
		if !waits(job) || full || q.blocked(job) || first != nil && !before(job, first) {
			continue
		}
		first = job
	}
	return first
}

// blocked reports whether the Job's builder has not completed. One that is gone is not waited for: the registry has its
// image, or the runner's pod says that it has not.
func (q queue) blocked(job *batchv1.Job) bool {
	b := q.builderOf(job)
	return b != nil && pods.Outcome(b) != batchv1.JobComplete
}

func (q queue) builderOf(job *batchv1.Job) *batchv1.Job {
	name := job.Annotations[after]
	if name == "" {
		return nil
	}
	for _, b := range q.jobs {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// waiting counts the Jobs that wait, the unprepared ones among them.
func (q queue) waiting() int {
	n := 0
	for _, job := range q.jobs {
		if suspended(job) && settled(job) == "" {
			n++
		}
	}
	return n
}

// position returns a waiting Job's place, from 1; 0 for one that does not wait.
func (q queue) position(job *batchv1.Job) int {
	if !waits(job) {
		return 0
	}
	n := 1
	for _, other := range q.jobs {
		if waits(other) && before(other, job) {
			n++
		}
	}
	return n
}

// order is that of the queue. The API server's clock decides, and within its second the one of who created the Job.
func order(a, b *batchv1.Job) int {
	return cmp.Or(
		a.CreationTimestamp.Time.Compare(b.CreationTimestamp.Time),
		cmp.Compare(a.Annotations[queuedAt], b.Annotations[queuedAt]),
		cmp.Compare(a.Name, b.Name),
	)
}

func before(a, b *batchv1.Job) bool { return order(a, b) < 0 }

func kindOf(job *batchv1.Job) Kind { return Kind(job.Labels[mark.Kind]) }

// launched reports whether the Job is one of ours.
func launched(job *batchv1.Job) bool {
	return job.Labels[mark.Kind] != "" && job.Annotations[queuedAt] != ""
}

func suspended(job *batchv1.Job) bool { return job.Spec.Suspend != nil && *job.Spec.Suspend }

// waits reports whether the Job may be started when its turn comes.
func waits(job *batchv1.Job) bool {
	return suspended(job) && job.Annotations[preparedAt] != "" && settled(job) == ""
}

// settled says why a Job will never be started any more, "" where it may.
func settled(job *batchv1.Job) string {
	switch {
	case pods.Outcome(job) != "":
		return "finished"
	case job.DeletionTimestamp != nil:
		return "deleted"
	default:
		return job.Annotations[cancelled]
	}
}

// holdsSlot reports whether the Job runs, or may have pods that do. One that was cancelled before it had any has
// parallelism 0.
func holdsSlot(job *batchv1.Job) bool {
	neverRan := job.Spec.Parallelism != nil && *job.Spec.Parallelism == 0 && job.Status.Active == 0
	return !suspended(job) && pods.Outcome(job) == "" && !neverRan
}

// timedOut reports whether one of the pods was ended by the timeout of the request. Whoever else ends a pod gently
// gives it another deadline, and means that the Job may try again.
func timedOut(job *batchv1.Job, pods []*corev1.Pod) bool {
	seconds, err := strconv.ParseInt(job.Annotations[timeout], 10, 64)
	if err != nil {
		return false // no timeout
	}
	for _, p := range pods {
		deadline := p.Spec.ActiveDeadlineSeconds
		if p.Status.Phase == corev1.PodFailed && p.Status.Reason == "DeadlineExceeded" && deadline != nil && *deadline == seconds {
			return true
		}
	}
	return false
}

// step is the next thing to do for a Job that is cancelled.
type step int

const (
	stepNone    step = iota // it has ended, or something has to happen first
	stepRelease             // it never ran: let it fail without a pod
	stepEnd                 // its pods run: end them gently
	stepFail                // its pods have ended: let it fail
)

// firstPod is how long the Job controller may take to make the first pod of a Job that was started.
const firstPod = 10 * time.Second

// cancel says how to go on with a Job that is not wanted any more. A Job's own deadline deletes the pods that run, and
// their logs with them; so it is set only where none runs.
func cancel(job *batchv1.Job, its []*corev1.Pod, now time.Time) step {
	failing := job.Spec.Parallelism != nil && *job.Spec.Parallelism == 0 && job.Spec.ActiveDeadlineSeconds != nil
	switch {
	case pods.Outcome(job) != "" || job.DeletionTimestamp != nil:
		return stepNone // a deleted Job's pods are ended by whoever keeps the gate
	case suspended(job):
		return stepRelease
	case failing:
		return stepNone
	case len(running(its)) > 0:
		return stepEnd
	case job.Status.Active > 0 || len(its) == 0 && (job.Status.StartTime == nil || now.Sub(job.Status.StartTime.Time) < firstPod):
		return stepNone // there is a pod that the cache does not show yet
	default:
		return stepFail
	}
}

func running(pods []*corev1.Pod) []*corev1.Pod {
	var list []*corev1.Pod
	for _, p := range pods {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			list = append(list, p)
		}
	}
	return list
}
