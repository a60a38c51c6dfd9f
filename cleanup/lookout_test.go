package cleanup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// shelf is the store as the janitor sees it.
type shelf struct {
	mu        sync.Mutex
	manifests map[types.UID]map[types.UID]*archive.Manifest // guarded by mu; by Job and pod
	documents map[types.UID]bool                            // guarded by mu
	down      chan struct{}                                 // guarded by mu; closed when the outage ends; nil: none
	asked     int                                           // guarded by mu
}

func newShelf() *shelf {
	return &shelf{manifests: map[types.UID]map[types.UID]*archive.Manifest{}, documents: map[types.UID]bool{}}
}

// Evidence waits out an outage, as the sealer does.
func (s *shelf) Evidence(ctx context.Context, job archive.PodRef) (archive.Evidence, error) {
	if err := s.wait(ctx); err != nil {
		return archive.Evidence{}, fmt.Errorf("read manifests: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	e := archive.Evidence{Document: s.documents[types.UID(job.JobUID)]}
	for _, m := range s.manifests[types.UID(job.JobUID)] {
		e.Manifests = append(e.Manifests, m)
	}
	return e, nil
}

func (s *shelf) wait(ctx context.Context) error {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down == nil {
		return nil
	}
	select {
	case <-down:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shelf) breakDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		s.down = make(chan struct{})
	}
}

func (s *shelf) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		close(s.down)
		s.down = nil
	}
}

func (s *shelf) put(p *corev1.Pod, v archive.Verdict) {
	ref := pods.Ref(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	job := types.UID(ref.JobUID)
	if s.manifests[job] == nil {
		s.manifests[job] = map[types.UID]*archive.Manifest{}
	}
	if s.manifests[job][p.UID] == nil {
		s.manifests[job][p.UID] = &archive.Manifest{
			Pod: archive.PodSummary{PodRef: ref}, Instances: []archive.InstanceRecord{{Verdict: v}}, SealedAt: time.Now(),
		}
	}
}

func (s *shelf) has(job, pod types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manifests[job][pod] != nil
}

func (s *shelf) write(job types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.documents[job] = true
}

func (s *shelf) written(job types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.documents[job]
}

// lookout plays the watcher: a cache that a test fills, and what is known of seals.
type lookout struct {
	mu       sync.Mutex
	jobs     map[types.UID]*batchv1.Job              // guarded by mu
	pods     map[types.UID]map[types.UID]*corev1.Pod // guarded by mu; by Job
	sealed   map[types.UID]bool                      // guarded by mu
	unproven map[types.UID]bool                      // guarded by mu
	open     map[types.UID]int                       // guarded by mu; by Job, pods that are gone and not sealed
	events   map[types.UID][]*corev1.Event           // guarded by mu
	since    time.Time                               // guarded by mu; zero: it does not act
	asked    int                                     // guarded by mu; how often it was asked
}

func newLookout() *lookout {
	return &lookout{
		jobs: map[types.UID]*batchv1.Job{}, pods: map[types.UID]map[types.UID]*corev1.Pod{}, sealed: map[types.UID]bool{},
		unproven: map[types.UID]bool{}, open: map[types.UID]int{}, events: map[types.UID][]*corev1.Event{}, since: time.Now(),
	}
}

func (l *lookout) Standing(job types.UID) watch.Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	s := watch.Standing{Job: l.jobs[job], Since: l.since, Open: l.open[job], Events: l.events[job]}
	s.Doubt = l.open[job] == 0
	for uid, p := range l.pods[job] {
		s.Doubt = s.Doubt && (l.sealed[uid] || l.unproven[uid])
		s.Pods = append(s.Pods, watch.PodStanding{Pod: p, Sealed: l.sealed[uid], Unproven: l.unproven[uid], Events: l.events[uid]})
	}
	return s
}

func (l *lookout) Related(job *batchv1.Job) []*batchv1.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	var related []*batchv1.Job
	for _, j := range l.jobs {
		if w := job.Labels["workload"]; w != "" && j.Labels["workload"] == w {
			related = append(related, j)
		}
	}
	return related
}

// known returns the Jobs in the cache.
func (l *lookout) known() []types.UID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.jobs))
}

// see takes one state of an object into the cache, and returns the UID of the Job that it concerns.
func (l *lookout) see(o metav1.Object, gone bool) types.UID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j, ok := o.(*batchv1.Job); ok {
		if l.jobs[j.UID] = j; gone {
			delete(l.jobs, j.UID)
		}
		return j.UID
	}
	p := o.(*corev1.Pod)
	job := types.UID(pods.Ref(p).JobUID)
	if l.pods[job] == nil {
		l.pods[job] = map[types.UID]*corev1.Pod{}
	}
	if l.pods[job][p.UID] = p; gone {
		delete(l.pods[job], p.UID)
	}
	return job
}

// bench is a janitor over an API server and a store that are played. The cache is never behind, unless a test says so.
type bench struct {
	t       *testing.T
	api     *apiServer
	shelf   *shelf
	lookout *lookout
	store   Store // nil: the shelf
	cfg     config.Cleanup
	selects labels.Selector // nil: everything
	count   *metrics.Cleanup

	janitor *Janitor
	stop    func()
	later   []func() // what the janitor is told once it runs
}

// newBench makes one inside a bubble; start runs the janitor.
func newBench(t *testing.T) *bench {
	b := &bench{t: t, api: newAPIServer(), shelf: newShelf(), lookout: newLookout(), cfg: usual(), count: metrics.NewCleanup(prometheus.NewRegistry())}
	b.cfg.Rate = 100
	b.api.changed = func(o metav1.Object, gone bool) {
		uid := b.lookout.see(copyOf(o), gone)
		if b.janitor != nil {
			b.janitor.Notice(uid)
		}
	}
	return b
}

func (b *bench) start() {
	store := b.store
	if store == nil {
		store = b.shelf
	}
	b.janitor = New(Config{Cleanup: b.cfg, Selector: b.selects}, Parts{
		Client: b.api.client(), Cache: b.lookout, Store: store, Count: b.count, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	j := b.janitor
	work.Go(func() { _ = j.Run(ctx) }) // gives no error
	b.stop = func() { cancel(); work.Wait(); b.stop = func() {} }
	for _, uid := range b.lookout.known() {
		j.Notice(uid)
	}
	for _, tell := range b.later {
		tell()
	}
}

// seal has a pod's manifest written, and the watcher know it.
func (b *bench) seal(p *corev1.Pod, v archive.Verdict) {
	b.shelf.put(p, v)
	b.lookout.mu.Lock()
	b.lookout.sealed[p.UID] = true
	b.lookout.mu.Unlock()
	b.janitor.Notice(types.UID(pods.Ref(p).JobUID))
}

// finish writes the Job's document, and tells the janitor.
func (b *bench) finish(job types.UID) {
	b.shelf.write(job)
	b.janitor.Settled(job, true)
}

var errServer = errors.New("the API server is out of order")

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
