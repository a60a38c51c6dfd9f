package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Errors of a request that was refused.
var (
	// ErrFull means that as many Jobs wait as may. The caller tries again later.
	ErrFull = errors.New("the queue is full")
	// ErrNotFound means that there is no such Job.
	ErrNotFound = errors.New("no such Job")
)

// Config says what is launched and how many.
type Config struct {
	Shape  Shape
	Limits Limits
	Images Images
}

// Parts are what a Launcher works with.
type Parts struct {
	Client   kubernetes.Interface
	Cache    Cache
	Owns     func() bool // whether this replica owns the queue
	Registry Registry    // nil: nothing is built
	Metrics  *metrics.Launch
	Log      *slog.Logger
	Now      func() time.Time // the API server's time; nil: this machine's is as good
}

// Launcher makes Jobs on request and starts them in their order. Safe for concurrent use.
type Launcher struct {
	cfg    Config
	parts  Parts
	kube   kube
	keeper *keeper

	versionMu sync.Mutex
	version   *Server // guarded by versionMu; nil: not asked yet
	waiters   waiters
	inFlight  counter // Jobs that are being created and that the cache cannot show yet
}

// New makes a Launcher. Nothing runs before Run.
func New(cfg Config, parts Parts) *Launcher {
	k := kube{client: parts.Client, namespace: cfg.Shape.Namespace}
	l := &Launcher{cfg: cfg, parts: parts, kube: k, waiters: waiters{by: map[types.UID]map[chan struct{}]bool{}}}
	for _, kind := range []Kind{Runner, Builder} {
		for _, result := range []string{"created", "known", "skipped", "refused", "failed"} {
			parts.Metrics.Requests.WithLabelValues(string(kind), result)
		}
	}
	metrics.FromZero(parts.Metrics.Started, Runner, Builder)
	if parts.Now == nil {
		parts.Now = time.Now
	}
	l.keeper = &keeper{
		cache: parts.Cache, cluster: k, tickets: k, owns: parts.Owns, limits: cfg.Limits, tail: l.tail,
		metrics: parts.Metrics, log: parts.Log, now: parts.Now, wake: make(chan struct{}, 1),
	}
	return l
}

// QueueKey is what decides which replica keeps the namespace's queue, in the place of a Job's UID.
func QueueKey(namespace string) types.UID { return types.UID("queue/" + namespace) }

// Run keeps the queue until the context ends. The cache is filled before.
func (l *Launcher) Run(ctx context.Context) { l.keeper.run(ctx) }

// See is told of each Job that has changed, or whose pods have. It never waits.
func (l *Launcher) See(job types.UID) {
	l.waiters.tell(job)
	l.keeper.poke()
}

// Ref names a launched Job.
type Ref struct {
	Name  string
	UID   types.UID
	Image string // what a runner runs, or a builder pushes
}

// Start runs the workload in a Job of its own, now or when its turn comes. A request that is repeated gives the Job
// that there is.
func (l *Launcher) Start(ctx context.Context, r Run) (Ref, error) {
	if err := r.check(); err != nil {
		return l.count(Runner, "refused", Ref{}, err)
	}
	image := l.cfg.Images.of(r)
	notes := map[string]string{imageName: image}
	builder, err := l.builderFor(ctx, r.Workload, image)
	if err != nil {
		return l.count(Runner, "failed", Ref{}, err)
	}
	if builder != "" {
		notes[after] = builder
	}
	d := draft{identity: r.identity(), timeout: r.Timeout, template: l.cfg.Shape.PodTemplate, notes: notes}
	secret := ""
	if len(r.Environment) > 0 {
		secret = beside(d.identity.jobName(), "env")
		notes[environment] = secret
	}
	d.pod = l.cfg.Shape.runner(r, image, secret)
	return l.launch(ctx, d, func(job *batchv1.Job) error { return l.kube.putEnvironment(ctx, job, r.Environment) })
}

func (l *Launcher) count(kind Kind, result string, ref Ref, err error) (Ref, error) {
	l.parts.Metrics.Requests.WithLabelValues(string(kind), result).Inc()
	return ref, err
}

// serverVersion asks once: newer servers know what older ones knew.
func (l *Launcher) serverVersion() (Server, error) {
	l.versionMu.Lock()
	defer l.versionMu.Unlock()
	if l.version != nil {
		return *l.version, nil
	}
	v, err := l.parts.Client.Discovery().ServerVersion()
	if err != nil {
		return Server{}, fmt.Errorf("ask for the API server's version: %w", err)
	}
	s, err := ParseServer(*v)
	if err != nil {
		return Server{}, err
	}
	if l.cfg.Shape.FailurePolicy != nil && !s.knows(knowsFailurePolicy) {
		l.parts.Log.Warn("the pod failure policy is left out: this API server does not know it",
			"version", s.String(), "needs", knowsFailurePolicy.String())
	}
	l.version = &s
	return s, nil
}

// Delete ends what runs of the workload, takes out what waits, and has all of it cleaned up as soon as its logs are
// archived. What is archived stays.
func (l *Launcher) Delete(ctx context.Context, workload string) error {
	return l.cancel(ctx, workload, map[string]string{cancelled: "deleted on request", mark.TTL: "0s"})
}

// Cancel ends what runs of the workload and takes out what waits.
func (l *Launcher) Cancel(ctx context.Context, workload, why string) error {
	return l.cancel(ctx, workload, map[string]string{cancelled: why})
}

func (l *Launcher) cancel(ctx context.Context, workload string, notes map[string]string) error {
	if err := checkCommon(workload, "", 0); err != nil {
		return err
	}
	jobs, err := l.kube.ofWorkload(ctx, workload)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		return fmt.Errorf("%w: none of workload %s", ErrNotFound, workload)
	}
	var failed []error
	for _, job := range jobs {
		wish := with(notes, nil)
		if pods.Outcome(job) != "" {
			delete(wish, cancelled) // it has ended by itself
		}
		if len(wish) > 0 {
			failed = append(failed, ignoreConflict(l.kube.Patch(ctx, anyVersion(job), change{notes: wish})))
		}
	}
	return errors.Join(failed...)
}

// anyVersion names the Job alone: what is patched holds whatever else has changed of it.
func anyVersion(job *batchv1.Job) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: job.Name, UID: job.UID}}
}

// tail returns the last lines of a pod's log.
func (l *Launcher) tail(ctx context.Context, pod *corev1.Pod) string {
	ctx, cancel := limited(ctx)
	defer cancel()
	text, err := l.parts.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: mainContainer, TailLines: new(int64(tailLines)),
	}).DoRaw(ctx)
	if err != nil {
		l.parts.Log.Warn("read the end of a build's log", "pod", pod.Name, "err", err)
	}
	return string(text)
}

// Jobs returns the workload's Jobs as the cache has them, oldest first; of all workloads for "".
func (l *Launcher) Jobs(workload string) []Status {
	q := l.keeper.view(l.parts.Cache.Jobs())
	slices.SortFunc(q.jobs, order)
	all := []Status{}
	for _, job := range q.jobs {
		if workload == "" || job.Labels[mark.WorkloadID] == workload {
			all = append(all, l.status(q, job))
		}
	}
	return all
}

// Counts returns how many Jobs wait and run, and how many may.
func (l *Launcher) Counts() (waiting, mostWaiting, running, mostRunning int) {
	q := l.keeper.view(l.parts.Cache.Jobs())
	for _, job := range q.jobs {
		if holdsSlot(job) {
			running++
		}
	}
	return q.waiting(), l.cfg.Limits.Queued, running, l.cfg.Limits.Total
}
