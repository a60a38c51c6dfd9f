package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/pause"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Cache is what the informers know. Its objects are shared and may be older than what the API server has, but never
// skip a change of one Job that came before a change of another which they show.
type Cache interface {
	Jobs() []*batchv1.Job
	Job(name string) *batchv1.Job // nil: none
	PodsOf(job types.UID) []*corev1.Pod
}

// cluster is how the keeper changes Jobs. A change carries the UID and the version of the object that it was decided
// on.
type cluster interface {
	// Job reads the Job itself, nil where there is none.
	Job(ctx context.Context, name string) (*batchv1.Job, error)
	// Jobs reads all launched Jobs, as they are at some moment after the call.
	Jobs(ctx context.Context) ([]*batchv1.Job, error)
	// Patch changes the Job if it still is what is given, else errConflict.
	Patch(ctx context.Context, job *batchv1.Job, change change) error
	// EndPod lets the pod's own deadline pass, and writes on it why.
	EndPod(ctx context.Context, pod *corev1.Pod, why string) error
}

// ticket names the last Job that was started. Only who changes the ticket may start a Job, and only when the last start
// is done: so starts come one after the other, whoever decides on them.
type ticket struct {
	job     string
	uid     types.UID
	version string // of the object that holds the ticket; "": there is none yet
}

// tickets keeps the one ticket of a namespace.
type tickets interface {
	Read(ctx context.Context) (ticket, error)
	// Write replaces the ticket of that version, else errConflict. It returns the ticket with its new version.
	Write(ctx context.Context, t ticket) (ticket, error)
}

// errConflict means that somebody else has changed the object.
var errConflict = errors.New("changed by somebody else")

// change is what is patched into a Job. The zero value of a field leaves it as it is.
type change struct {
	notes       map[string]string // annotations
	suspend     *bool
	parallelism *int32
	deadline    *int64 // seconds, of the Job
}

// keeper starts the Jobs of the queue in their order, and ends those that are cancelled. Every replica has one; the one
// that owns the queue acts. It keeps nothing that it could not read again.
type keeper struct {
	cache   Cache
	cluster cluster
	tickets tickets
	owns    func() bool // whether this replica owns the queue, as far as it knows
	limits  Limits
	tail    func(ctx context.Context, pod *corev1.Pod) string // last lines of a pod's log, "" where they cannot be had
	metrics *metrics.Launch
	log     *slog.Logger
	now     func() time.Time // the API server's time
	wake    chan struct{}    // holds one token when something has changed

	last   *ticket   // owned by run; nil: to be read
	unseen time.Time // owned by run; since when the cache does not show the last start; zero: it does
}

const (
	cachePatience = 3 * time.Second // for the cache to show a start, before the API server is asked itself
	failedAgain   = time.Second
	unprepared    = time.Hour   // for a caller to repeat a request that was cut off
	keeperIdle    = time.Minute // a look at the clock, for a Job that waits for no event
)

// poke makes the keeper look at the queue soon.
func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run keeps the queue until the context ends.
func (k *keeper) run(ctx context.Context) {
	for {
		again := keeperIdle
		if k.owns() {
			wait, err := k.pass(ctx)
			if again = wait; err != nil && ctx.Err() == nil {
				k.log.Warn("keep the queue", "err", err)
				k.metrics.Failures.Inc()
				again = failedAgain
			}
		}
		if pause.Until(ctx, k.wake, again) != nil {
			return
		}
	}
}

// pass does what is to be done now and says when to come again unasked.
func (k *keeper) pass(ctx context.Context) (again time.Duration, err error) {
	cancelErr := k.cancelAll(ctx, k.view(k.cache.Jobs()))
	for {
		started, wait, err := k.startOne(ctx)
		if err != nil || !started {
			return wait, errors.Join(cancelErr, err)
		}
	}
}

func (k *keeper) view(jobs []*batchv1.Job) queue {
	q := queue{limits: k.limits}
	for _, job := range jobs {
		if launched(job) {
			q.jobs = append(q.jobs, job)
		}
	}
	return q
}

// startOne starts the first Job that may. It decides on a view that shows every start there ever was: the cache, once
// it shows the last one; else, and after some patience, the API server's own list.
//
// We may die, or be overtaken by another replica, at any point. Before the ticket is written nothing has happened.
// After it the start stands in the ticket, and whoever comes next carries it out before anything else. A start that
// comes twice, or too late, fails on the Job's version.
func (k *keeper) startOne(ctx context.Context) (started bool, again time.Duration, err error) {
	if k.last == nil {
		t, err := k.tickets.Read(ctx)
		if err != nil {
			return false, 0, err
		}
		k.last = &t
	}
	shown := k.shows(*k.last)
	if k.unseen.IsZero() {
		k.unseen = time.Now()
	}
	if left := cachePatience - time.Since(k.unseen); !shown && left > 0 {
		return false, left, nil
	}
	q := k.view(k.cache.Jobs()) // after the look above: a view from before it may lack the start
	if !shown {
		if q, err = k.carryOut(ctx, *k.last); err != nil {
			return false, 0, err
		}
	}
	k.unseen = time.Time{}
	job := q.next()
	if job == nil {
		return false, keeperIdle, nil
	}
	written, err := k.tickets.Write(ctx, ticket{job: job.Name, uid: job.UID, version: k.last.version})
	if err != nil {
		k.last = nil // another replica was faster, or nobody knows: read it again
		return false, failedAgain, ignoreConflict(err)
	}
	k.last = &written
	if err := k.start(ctx, job); err != nil {
		// The cache's copy was old, or the answer is lost. Either way the ticket is carried out on what is there now.
		k.unseen = time.Now().Add(-cachePatience)
		return false, 0, ignoreConflict(err)
	}
	return true, 0, nil
}

// shows reports whether the cache holds the outcome of a start.
func (k *keeper) shows(t ticket) bool {
	if t.job == "" {
		return true
	}
	job := k.cache.Job(t.job)
	return job != nil && job.UID == t.uid && (!suspended(job) || settled(job) != "")
}

// carryOut finishes the last start, which its author may not have, and reads the queue as it is after that.
func (k *keeper) carryOut(ctx context.Context, t ticket) (queue, error) {
	job, err := k.cluster.Job(ctx, t.job)
	if err != nil {
		return queue{}, err
	}
	if job != nil && job.UID == t.uid && suspended(job) && settled(job) == "" {
		if err := k.start(ctx, job); err != nil {
			return queue{}, err
		}
	}
	jobs, err := k.cluster.Jobs(ctx)
	return k.view(jobs), err
}

// start lets a Job run. On a conflict the Job has changed meanwhile: it is looked at again with the ticket that names
// it.
func (k *keeper) start(ctx context.Context, job *batchv1.Job) error {
	err := k.cluster.Patch(ctx, job, change{suspend: new(false)})
	if err == nil {
		waited := k.now().Sub(job.CreationTimestamp.Time)
		k.metrics.Started.WithLabelValues(string(kindOf(job))).Inc()
		k.metrics.Waited.Observe(waited.Seconds())
		k.log.Info("Job is started", "job", job.Name, "waited", waited)
		return nil
	}
	return fmt.Errorf("start Job %s: %w", job.Name, err)
}

// cancelAll goes one step on with every Job that is not wanted any more. Steps are decided by what is there alone, so
// that one that failed, or that another replica has taken, does no harm.
func (k *keeper) cancelAll(ctx context.Context, q queue) error {
	var failed []error
	for _, job := range q.jobs {
		if pods.Outcome(job) != "" {
			continue
		}
		if err := k.cancelOne(ctx, q, job); ignoreConflict(err) != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (k *keeper) cancelOne(ctx context.Context, q queue, job *batchv1.Job) error {
	pods := k.cache.PodsOf(job.UID)
	if settled(job) == "" {
		if why := k.unwanted(ctx, q, job, pods); why != "" {
			k.log.Info("Job is cancelled", "job", job.Name, "reason", why)
			return k.cluster.Patch(ctx, job, change{notes: map[string]string{cancelled: why}})
		}
		return nil
	}
	switch cancel(job, pods, k.now()) {
	case stepRelease, stepFail:
		return k.cluster.Patch(ctx, job, change{suspend: new(false), parallelism: new(int32(0)), deadline: new(int64(1))})
	case stepEnd:
		return k.endPods(ctx, running(pods), "its Job was cancelled: "+settled(job))
	default:
		return nil
	}
}

func (k *keeper) endPods(ctx context.Context, pods []*corev1.Pod, why string) error {
	var failed []error
	for _, p := range pods {
		if d := p.Spec.ActiveDeadlineSeconds; d != nil && *d <= 1 {
			continue // it has been told
		}
		failed = append(failed, k.cluster.EndPod(ctx, p, why))
	}
	return errors.Join(failed...)
}

// unwanted says why nobody wants the Job any more, "" where somebody does.
func (k *keeper) unwanted(ctx context.Context, q queue, job *batchv1.Job, its []*corev1.Pod) string {
	if timedOut(job, its) {
		return "timeout: the pod ran longer than " + job.Annotations[timeout] + " s"
	}
	if suspended(job) && job.Annotations[preparedAt] == "" && k.now().Sub(job.CreationTimestamp.Time) > unprepared {
		return "the request was cut off before its environment was stored, and was not repeated"
	}
	if b := q.builderOf(job); b != nil && suspended(job) && pods.Outcome(b) == batchv1.JobFailed {
		return k.buildFailure(ctx, b)
	}
	return ""
}

func ignoreConflict(err error) error {
	if errors.Is(err, errConflict) {
		return nil
	}
	return err
}
