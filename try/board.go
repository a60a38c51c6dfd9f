package try

import (
	"context"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// cluster is what a board needs of a watch.Watcher.
type cluster interface {
	Standing(job types.UID) watch.Standing
	PodsOf(job types.UID) []*corev1.Pod
	Acts() bool
	Backlog() (pods int, oldest time.Duration)
}

// reader is what it needs of an archive.Reader.
type reader interface {
	Read(ctx context.Context, q archive.Query) (*archive.Answer, error)
	Manifest(ctx context.Context, pod archive.PodRef) (m *archive.Manifest, sealed bool, err error)
}

// board tells on the screen what happens. The informers only note which Jobs to look at; run looks, one after the
// other, and for each pod whose lines are shown a goroutine follows the archive, never the cluster: a screen that
// stands still holds up no log.
type board struct {
	cfg     Config
	cluster cluster
	reader  reader
	screen  *Screen
	began   time.Time
	pods    sync.WaitGroup

	jobs  map[types.UID]*job // owned by run
	later map[types.UID]bool // owned by run; of which there are pods, and the Job has yet to come

	mu      sync.Mutex
	noted   map[types.UID]bool // guarded by mu; Jobs to look at
	settled map[types.UID]bool // guarded by mu; Jobs that have ended and are in the archive whole
	wake    chan struct{}      // holds one token when there is something to look at
	count   counts             // guarded by mu
}

// job is what was told of one. Owned by run.
type job struct {
	name    string
	pods    map[types.UID]*pod
	told    bool // that it is there
	waiting bool // it is suspended
	closed  bool // its end was told
}

func newBoard(cfg Config, c cluster, r reader, s *Screen) *board {
	return &board{
		cfg: cfg, cluster: c, reader: r, screen: s, began: time.Now(), jobs: map[types.UID]*job{}, later: map[types.UID]bool{},
		noted: map[types.UID]bool{}, settled: map[types.UID]bool{}, wake: make(chan struct{}, 1),
	}
}

// notice has a Job looked at.
func (b *board) notice(job types.UID) {
	b.mu.Lock()
	b.noted[job] = true
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// settle hears that a Job has ended and is in the archive whole.
func (b *board) settle(job types.UID) {
	b.mu.Lock()
	b.settled[job] = true
	b.mu.Unlock()
	b.notice(job)
}

func (b *board) take() []types.UID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []types.UID
	for uid := range b.noted {
		all = append(all, uid)
	}
	clear(b.noted)
	slices.Sort(all)
	return all
}

// beat is how often what tells of itself by no event is looked at.
const beat = 250 * time.Millisecond

// run looks until the context ends. With UntilIdle it calls stop when nothing is left to wait for.
func (b *board) run(ctx context.Context, stop func()) {
	defer b.pods.Wait()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		for _, uid := range b.take() {
			b.look(ctx, uid)
		}
		if b.cfg.UntilIdle && b.idle() {
			stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-tick.C:
			b.lookAgain()
		}
	}
}

// lookAgain has a Job looked at whose pod was sealed and whose manifest could not be read then, or of which the pods
// came first.
func (b *board) lookAgain() {
	for uid := range b.later {
		b.notice(uid)
	}
	clear(b.later)
	for uid, j := range b.jobs {
		for _, p := range j.pods {
			if p.sealed && !p.isDone() {
				b.notice(uid)
			}
		}
	}
}

// idle: every Job has ended, or is suspended, and nothing of it is on its way into the archive. The watcher has told of
// all that was there before it acts.
func (b *board) idle() bool {
	if !b.cluster.Acts() {
		return false
	}
	if pods, _ := b.cluster.Backlog(); pods > 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.jobs {
		if !j.closed && !(j.waiting && j.isDone()) {
			return false
		}
	}
	return len(b.noted)+len(b.later) == 0
}

// look tells what is new about a Job.
func (b *board) look(ctx context.Context, uid types.UID) {
	s, seen := b.cluster.Standing(uid), b.cluster.PodsOf(uid)
	slices.SortFunc(seen, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	j := b.jobs[uid]
	if j == nil {
		if j = b.meet(uid, s.Job, seen); j == nil {
			return
		}
		b.jobs[uid] = j
	}
	if s.Job != nil && !j.told {
		j.told = true
		if pods.End(s.Job) == nil { // else its end is all that is told
			b.screen.Say("job %s: %s", j.name, stateOf(s.Job))
		}
	}
	here := map[types.UID]bool{}
	for _, p := range seen {
		here[p.UID] = true
		b.lookAtPod(ctx, uid, j, p)
	}
	for _, p := range s.Pods {
		if known := j.pods[p.UID]; known != nil && p.Sealed {
			known.sealed = true
		}
	}
	for uid, p := range j.pods {
		if !here[uid] {
			p.leave()
			p.sealed = true // or soon: its manifest tells
		}
		if p.sealed && !p.followed && !p.isDone() {
			b.conclude(ctx, p)
		}
	}
	b.close(uid, j, s.Job)
}

// meet returns a Job that is new, nil where it is none of ours, or not yet. Pods whose Job is gone are known for such
// once all Jobs have been listed.
func (b *board) meet(uid types.UID, known *batchv1.Job, podList []*corev1.Pod) *job {
	j := &job{pods: map[types.UID]*pod{}}
	switch {
	case known != nil:
		j.name = known.Name
	case len(podList) == 0 || b.cfg.Selector != "":
		return nil
	case !b.cluster.Acts():
		b.later[uid] = true
		return nil
	default:
		j.name = pods.Ref(podList[0]).Job
	}
	b.mu.Lock()
	b.count.jobs++
	b.mu.Unlock()
	return j
}

// close tells the end of a Job once all of its pods were told of, and forgets one that is gone.
func (b *board) close(uid types.UID, j *job, known *batchv1.Job) {
	j.waiting = known != nil && known.Spec.Suspend != nil && *known.Spec.Suspend
	if !j.isDone() {
		return
	}
	if known == nil {
		b.screen.Say("job %s: gone from the cluster, its logs are kept here", j.name)
		delete(b.jobs, uid)
		b.mu.Lock()
		delete(b.settled, uid)
		b.mu.Unlock()
		for _, p := range j.pods {
			b.screen.Forget(p.ref.PodUID)
		}
		return
	}
	b.mu.Lock()
	settled := b.settled[uid]
	b.mu.Unlock()
	if end := pods.End(known); end != nil && settled && !j.closed {
		j.closed = true
		b.screen.Say("job %s: %s, archived", j.name, endOf(end))
	}
}

// isDone: everything was told of its pods.
func (j *job) isDone() bool {
	for _, p := range j.pods {
		if !p.isDone() {
			return false
		}
	}
	return true
}
