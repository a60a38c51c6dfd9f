package cleanup

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/api"
	"github.com/epilogue-dev/epilogue/work"
)

// Cache is what is known without asking anybody. Safe for concurrent use.
type Cache interface {
	// Standing says what is known of a Job. Its Since is zero where another replica acts for the Job, or none.
	Standing(job types.UID) watch.Standing
	// Related returns the Jobs of the same workload and kind.
	Related(job *batchv1.Job) []*batchv1.Job
}

// Store proves what is archived. Safe for concurrent use.
type Store interface {
	// Evidence reads all manifests of a Job; it waits for a store in trouble as long as the context lives.
	Evidence(ctx context.Context, job archive.PodRef) (archive.Evidence, error)
}

// Config says what the janitor does.
type Config struct {
	config.Cleanup
	Selector labels.Selector // of the Jobs that are ours; nil: all
	Replica  string          // who reports Events
}

// Parts are what a Janitor works with.
type Parts struct {
	Client kubernetes.Interface
	Cache  Cache
	Store  Store
	Count  *metrics.Cleanup
	Log    *slog.Logger
	Clock  *api.Clock // of the times that the API server writes; nil: this machine's is as good
}

// Janitor carries out what Decide says.
//
// The queues hold UIDs of Jobs only. `seen` decides by the cache alone and does what needs no proof: it never waits for
// the store, for a Job that somebody deletes has seconds. `proofs` opens the gate and `deletions` deletes, both by what
// the store says; they are apart so that ten thousand deletions at a given rate do not hold up a gate. Nothing sweeps:
// a Job is looked at when it changes, and at the very time that Decide has named.
type Janitor struct {
	cfg     Config
	parts   Parts
	log     *slog.Logger
	cluster cluster
	history int           // the highest limit of finished Jobs that any has; 0: none
	limit   *rate.Limiter // of deletions
	pace    *rate.Limiter // of gates that are opened without haste

	seen, proofs, deletions work.Queue[types.UID]

	parents parentKinds
	ending  atomic.Int64 // when the namespace was last deleted, ns since 1970; 0: never, as far as is known

	mu sync.Mutex
	// Guarded by mu; when it was last asked whether the namespace is being deleted.
	asked time.Time
	acted map[types.UID]versions // guarded by mu; by Job
	// Guarded by mu; Jobs whose document was just written, and of which nobody was told.
	untold map[types.UID]bool
	stuck  map[types.UID]map[types.UID]trouble // guarded by mu; by Job and pod
	// Guarded by mu; Jobs that are deleted and held, until when; zero: not for a seal.
	holding map[types.UID]time.Time
	// Guarded by mu; Jobs that are to be deleted and are there still, since when that is known.
	late map[types.UID]time.Time

	// Guarded by mu; under a selector: Jobs that carry the gate, as they were last seen.
	gated     map[types.UID]*batchv1.Job
	rehearsed map[types.UID]map[string]bool // guarded by mu; by Job, what a dry run has said already
}

// versions are those, by UID, of the Job and its pods at which something was done to them: until the cache has newer
// ones it would only be done again.
type versions map[types.UID]string

// trouble is what was seen to keep a pod from starting, and since when.
type trouble struct {
	reason Reason
	since  time.Time
}

// New makes a Janitor. Nothing runs before Run.
func New(cfg Config, parts Parts) *Janitor {
	startAtZero(parts.Count, cfg.DryRun)
	return &Janitor{
		cfg: cfg, parts: parts, log: parts.Log,
		limit: rate.NewLimiter(rate.Limit(cfg.Rate), max(1, int(cfg.Rate/10))), pace: rate.NewLimiter(rate.Limit(cfg.Rate), max(1, int(cfg.Rate))),
		cluster: cluster{parts.Client, cfg.Replica}, history: mostHistory(cfg.Cleanup),
		seen: work.New[types.UID]("cleanup"), proofs: work.New[types.UID]("proofs"), deletions: work.New[types.UID]("deletions"),
		acted: map[types.UID]versions{}, untold: map[types.UID]bool{}, stuck: map[types.UID]map[types.UID]trouble{},
		holding: map[types.UID]time.Time{}, late: map[types.UID]time.Time{}, gated: map[types.UID]*batchv1.Job{}, rehearsed: map[types.UID]map[string]bool{},
	}
}

// Notice asks for a look at the Job. It only notes the UID.
func (j *Janitor) Notice(job types.UID) { j.seen.Add(job) }

// Settled asks for the Job's gate to be opened: everything of it is in the store. written: since just now, so that it
// is told.
func (j *Janitor) Settled(job types.UID, written bool) {
	if written {
		j.mu.Lock()
		j.untold[job] = true
		j.mu.Unlock()
	}
	j.seen.Add(job)
}

// The workers of each queue. Those of deletions mostly wait for their turn and for the store.
const (
	lookers  = 4
	provers  = 8
	deleters = 16
)

// Run works until the context ends, and returns when all that it started has ended.
func (j *Janitor) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	work.Start(ctx, &workers, lookers, j.seen, j.look)
	work.Start(ctx, &workers, provers, j.proofs, j.prove)
	work.Start(ctx, &workers, deleters, j.deletions, j.delete)
	<-ctx.Done()
	for _, q := range []work.Queue[types.UID]{j.seen, j.proofs, j.deletions} {
		q.ShutDown()
	}
	workers.Wait()
	return nil
}
