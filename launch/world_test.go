package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// world is the API server, the Job controller and the node of a namespace: strict about versions, slow, and at times in
// trouble. It checks each change against what the queue promises. Everything happens in a synctest bubble.
type world struct {
	t      *testing.T
	limits Limits
	randMu sync.Mutex
	rand   *rand.Rand // guarded by randMu

	mu       sync.Mutex
	version  int                     // guarded by mu; of the newest change
	jobs     map[string]*batchv1.Job // guarded by mu
	pods     map[string]*corev1.Pod  // guarded by mu; one for each Job, by the Job's name
	ticket   ticket                  // guarded by mu
	history  []event                 // guarded by mu
	wake     chan struct{}           // guarded by mu; closed and replaced with each change
	prepared map[string]int          // guarded by mu; the version with which a Job began to wait
	starts   map[string]int          // guarded by mu
	order    []string                // guarded by mu; of starts
	trouble  bool                    // guarded by mu; requests may fail
}

// event is one change as a watch tells it.
type event struct {
	job *batchv1.Job // one of the two
	pod *corev1.Pod
}

func newWorld(t *testing.T, seed uint64, limits Limits) *world {
	return &world{
		t: t, limits: limits, rand: rand.New(rand.NewPCG(seed, 0)), jobs: map[string]*batchv1.Job{}, pods: map[string]*corev1.Pod{},
		wake: make(chan struct{}), prepared: map[string]int{}, starts: map[string]int{}, trouble: true,
	}
}

// chance is true once in n.
func (w *world) chance(n int) bool { return w.number(n) == 0 }

// number returns one from 0 to below n.
func (w *world) number(n int) int {
	w.randMu.Lock()
	defer w.randMu.Unlock()
	return w.rand.IntN(n)
}

// put takes a new state of a Job into the history. Called with mu held.
func (w *world) put(job *batchv1.Job) {
	w.version++
	job.ResourceVersion = strconv.Itoa(w.version)
	if old := w.jobs[job.Name]; waits(job) && (old == nil || !waits(old)) {
		w.prepared[job.Name] = w.version
	}
	w.jobs[job.Name] = job
	w.tell(event{job: job})
}

func (w *world) tell(e event) {
	w.history = append(w.history, e)
	close(w.wake)
	w.wake = make(chan struct{})
}

// submit creates a Job as the launcher does: suspended, and prepared at once or by a second write.
func (w *world) submit(n int, kind Kind, builder string, atOnce bool) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("%s-%03d", kind, n), UID: types.UID(fmt.Sprintf("uid-%03d", n)),
		CreationTimestamp: metav1.NewTime(time.Now().Truncate(time.Second)), // as the API server does
		Labels:            map[string]string{mark.Kind: string(kind)},
		Annotations:       map[string]string{queuedAt: queueTimeOf(time.Now())},
	}, Spec: batchv1.JobSpec{Suspend: new(true)}}
	if atOnce {
		job.Annotations[preparedAt] = "true"
	}
	if builder != "" {
		job.Annotations[after] = builder
	}
	w.put(job)
	return job.Name
}

// note writes an annotation, as the launcher and as strangers do.
func (w *world) note(name, key, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	job := w.jobs[name].DeepCopy()
	job.Annotations[key] = value
	w.put(job)
}

// runningNow returns the Jobs that run. Called with mu held.
func (w *world) runningNow() (all int, byKind map[Kind]int) {
	byKind = map[Kind]int{}
	for _, job := range w.jobs {
		if holdsSlot(job) {
			all++
			byKind[kindOf(job)]++
		}
	}
	return all, byKind
}

// patch applies a change, and holds it against the promises.
func (w *world) patch(given *batchv1.Job, c change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.jobs[given.Name]
	if old == nil || old.UID != given.UID || given.ResourceVersion != "" && old.ResourceVersion != given.ResourceVersion {
		return errConflict
	}
	job := old.DeepCopy()
	maps.Copy(job.Annotations, c.notes)
	if c.parallelism != nil {
		job.Spec.Parallelism = c.parallelism
	}
	if c.deadline != nil {
		if pod := w.pods[job.Name]; pod != nil && len(running([]*corev1.Pod{pod})) > 0 {
			w.t.Errorf("%s: its deadline is set while its pod runs, which would lose the log", job.Name)
		}
		job.Spec.ActiveDeadlineSeconds = c.deadline
	}
	if c.suspend != nil && !*c.suspend && suspended(old) {
		job.Spec.Suspend = c.suspend
		if c.parallelism == nil {
			w.checkStart(old)
		}
		job.Status.StartTime = new(metav1.Now())
		go w.control(job.Name)
	}
	w.put(job)
	return nil
}

// checkStart holds a start against the limits and the order. Called with mu held, before the start.
func (w *world) checkStart(job *batchv1.Job) {
	w.starts[job.Name]++
	w.order = append(w.order, job.Name)
	all, byKind := w.runningNow()
	if limit, ok := w.limits.ByKind[kindOf(job)]; all >= w.limits.Total || ok && byKind[kindOf(job)] >= limit {
		w.t.Errorf("%s is started while %d Jobs run, %v by kind; the limits are %+v", job.Name, all, byKind, w.limits)
	}
	if job.Annotations[cancelled] != "" || job.Annotations[preparedAt] == "" {
		w.t.Errorf("%s is started with %v", job.Name, job.Annotations)
	}
	if b := w.jobs[job.Annotations[after]]; b != nil && pods.Outcome(b) != batchv1.JobComplete {
		w.t.Errorf("%s is started before its builder has completed", job.Name)
	}
	for _, other := range w.jobs {
		// Who was there first and could start as early goes first. A wait for a builder has no such order.
		if waits(other) && before(other, job) && kindOf(other) == kindOf(job) && other.Annotations[after] == "" &&
			w.prepared[other.Name] < w.prepared[job.Name] {
			w.t.Errorf("%s is started before %s", job.Name, other.Name)
		}
	}
}

// control is the Job controller and the kubelet for one Job that was started.
func (w *world) control(name string) {
	w.pause(500)
	w.mu.Lock()
	job := w.jobs[name].DeepCopy()
	if job.Spec.Parallelism != nil && *job.Spec.Parallelism == 0 {
		w.mu.Unlock()
		w.deadline(name)
		return
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + "-pod", UID: job.UID + "-pod", Labels: map[string]string{"job": name}}}
	pod.Status.Phase = corev1.PodRunning
	w.pods[name] = pod
	w.tell(event{pod: pod})
	job.Status.Active = 1
	w.put(job)
	w.mu.Unlock()
	ends := time.Now().Add(time.Duration(w.number(20_000)) * time.Millisecond)
	for time.Now().Before(ends) && !w.told(name) {
		time.Sleep(100 * time.Millisecond)
	}
	if w.told(name) {
		w.end(name, corev1.PodFailed, "")
		w.deadline(name)
		return
	}
	w.end(name, corev1.PodSucceeded, batchv1.JobComplete)
}

// told reports whether the pod was told to end.
func (w *world) told(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.pods[name].Spec.ActiveDeadlineSeconds
	return d != nil && *d == 1
}

// deadline waits until the Job's own deadline is set, and lets it fail.
func (w *world) deadline(name string) {
	for {
		w.mu.Lock()
		set := w.jobs[name].Spec.ActiveDeadlineSeconds != nil
		w.mu.Unlock()
		if set {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.end(name, "", batchv1.JobFailed)
}

func (w *world) end(name string, phase corev1.PodPhase, condition batchv1.JobConditionType) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if phase != "" {
		pod := w.pods[name].DeepCopy()
		pod.Status.Phase = phase
		w.pods[name] = pod
		w.tell(event{pod: pod})
	}
	job := w.jobs[name].DeepCopy()
	job.Status.Active = 0
	if condition != "" {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: condition, Status: corev1.ConditionTrue})
	}
	w.put(job)
}

// pause takes up to so many milliseconds.
func (w *world) pause(most int) { time.Sleep(time.Duration(w.number(most)+1) * time.Millisecond) }

// replica is one life of a daemon, with a cache of its own that is late.
type replica struct {
	w      *world
	cancel context.CancelFunc
	done   chan struct{}
	owns   func() bool

	mu   sync.Mutex
	jobs map[string]*batchv1.Job // guarded by mu
	pods map[string]*corev1.Pod  // guarded by mu; by the Job's name
}

// join starts a daemon, whose cache is filled as an informer's is: with what there is now, or was a moment ago.
func (w *world) join(owns func() bool) *replica {
	ctx, cancel := context.WithCancel(context.Background())
	r := &replica{w: w, cancel: cancel, done: make(chan struct{}), owns: owns, jobs: map[string]*batchv1.Job{}, pods: map[string]*corev1.Pod{}}
	k := &keeper{
		cache: r, cluster: api{r}, tickets: api{r}, owns: owns, limits: w.limits, tail: func(context.Context, *corev1.Pod) string { return "" },
		metrics: metrics.NewLaunch(nil), log: slog.New(slog.DiscardHandler), now: time.Now, wake: make(chan struct{}, 1),
	}
	w.mu.Lock()
	seen := max(0, len(w.history)-w.number(5))
	for _, e := range w.history[:seen] {
		r.apply(e)
	}
	w.mu.Unlock()
	go func() {
		defer close(r.done)
		var work sync.WaitGroup
		work.Go(func() { r.inform(ctx, seen, k.poke) })
		k.run(ctx)
		work.Wait()
	}()
	return r
}

// leave is a kill: what the daemon has sent may still arrive.
func (r *replica) leave() {
	r.cancel()
	<-r.done
}

func (r *replica) inform(ctx context.Context, seen int, poke func()) {
	for ctx.Err() == nil {
		r.w.mu.Lock()
		news, wake := r.w.history[seen:], r.w.wake
		r.w.mu.Unlock()
		if len(news) == 0 {
			select {
			case <-wake:
			case <-ctx.Done():
			}
			continue
		}
		if r.w.chance(40) {
			r.w.pause(8000) // a cache that is far behind
		}
		r.w.pause(20)
		r.apply(news[0])
		seen++
		poke()
	}
}

func (r *replica) apply(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.job != nil {
		r.jobs[e.job.Name] = e.job
	} else {
		r.pods[e.pod.Labels["job"]] = e.pod
	}
}

func (r *replica) Jobs() []*batchv1.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.jobs))
}

func (r *replica) Job(name string) *batchv1.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs[name]
}

func (r *replica) PodsOf(job types.UID) []*corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pods {
		if p.UID == job+"-pod" {
			return []*corev1.Pod{p}
		}
	}
	return nil
}

var errTrouble = errors.New("the API server is in trouble")

// request takes its time on both ways, and may fail on either. Once sent it arrives, whether or not the sender lives.
func (r *replica) request(ctx context.Context, do func() error) error {
	answer := make(chan error, 1)
	go func() {
		w := r.w
		w.pause(100)
		if w.chance(30) {
			w.pause(5000) // on the way for longer than anybody waits
		}
		w.mu.Lock()
		lost, late := w.trouble && w.chance(20), w.trouble && w.chance(20)
		w.mu.Unlock()
		if lost {
			answer <- errTrouble
			return
		}
		err := do()
		w.pause(50)
		if late {
			err = errTrouble
		}
		answer <- err
	}()
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	select {
	case err := <-answer:
		return err
	case <-limited.Done():
		return limited.Err()
	}
}
