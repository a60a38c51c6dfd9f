package retention

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/pause"
)

// Config says what is deleted from the store, and when.
type Config struct {
	Namespace string // of the pods; what is kept of other namespaces is somebody else's. "": all
	// After is how long the logs of a Job are kept once the last of its pods was sealed; at least a day.
	After time.Duration
	// Leave says of what is to be left alone: a Job (without a pod's name) or a bare pod that another replica acts for,
	// or that the cluster still has. nil: nothing.
	Leave func(archive.PodRef) bool
	// Dead says of a replica that its journal has no writer any more. nil: of none.
	Dead func(replica string) bool
}

// Retention deletes archived logs that are older than a setting, once a day, and nothing else. It goes by the index of
// days, and takes of a Job, in this order,
//
//	workload index keys → Job's document → manifests → log objects → day index key
//
// so that a Job is not found any more before the first of its parts goes, no manifest outlives a log that it names, and
// what a crash leaves is found by the next run under the day, which goes last. All keys are listed or read before they
// are deleted; an object of a form that the archive does not write stays. Several replicas may do the same at once.
type Retention struct {
	cfg     Config
	store   archive.Store
	journal *journal.Journal
	log     *slog.Logger
	counts  retentionCounts
}

type retentionCounts struct {
	jobs, objects, journals, uploads, unreadable, failures, last atomic.Int64
}

// Stats counts since the start of the process.
type Stats struct {
	Jobs       int64 // Jobs and bare pods of which nothing is left
	Objects    int64 // that were deleted, with index keys and without journals
	Journals   int64 // objects of journals that were deleted
	Uploads    int64 // uploads that nobody went on with, and whose parts were given back
	Unreadable int64 // Jobs that were left because one of their manifests could not be read
	Failures   int64 // runs that failed
	Last       int64 // when a run succeeded last, seconds since 1970; 0: never
}

const (
	retentionEvery = 24 * time.Hour
	retentionAgain = time.Hour // after a run that failed
	// Soon after the start, for a daemon may be started anew each day; not at once, and not all replicas at the same
	// time.
	retentionFirst  = time.Minute
	retentionSpread = 10 * time.Minute
	// staleUpload is older than any upload that goes on: the store's client gives up a request within minutes.
	staleUpload = 24 * time.Hour
)

// New makes a Retention. Nothing runs before Run.
func New(cfg Config, store archive.Store, journal *journal.Journal, log *slog.Logger) *Retention {
	if cfg.Leave == nil {
		cfg.Leave = func(archive.PodRef) bool { return false }
	}
	if cfg.Dead == nil {
		cfg.Dead = func(string) bool { return false }
	}
	return &Retention{cfg: cfg, store: store, journal: journal, log: log}
}

// Run deletes once a day what is too old, until the context ends. A run that fails is done again within the hour: it
// goes on where the one before stopped.
func (r *Retention) Run(ctx context.Context) error {
	wait := retentionFirst + rand.N(retentionSpread)
	for pause.For(ctx, wait) == nil {
		before := r.Stats()
		wait = retentionEvery
		err := r.Sweep(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			wait = retentionAgain
			r.counts.failures.Add(1)
			r.log.Error("delete what is older than the retention; tried again later", "retention", r.cfg.After, "again_in", wait, "err", err)
			continue
		}
		now := r.Stats()
		r.log.Info("what is older than the retention is deleted", "retention", r.cfg.After,
			"jobs", now.Jobs-before.Jobs, "objects", now.Objects-before.Objects, "journals", now.Journals-before.Journals,
			"uploads", now.Uploads-before.Uploads)
	}
	return nil
}

// Stats returns the counts.
func (r *Retention) Stats() Stats {
	c := &r.counts
	return Stats{
		Jobs: c.jobs.Load(), Objects: c.objects.Load(), Journals: c.journals.Load(), Uploads: c.uploads.Load(),
		Unreadable: c.unreadable.Load(), Failures: c.failures.Load(), Last: c.last.Load(),
	}
}

// Sweep deletes once what is too old by now.
func (r *Retention) Sweep(ctx context.Context) error {
	now := time.Now()
	cutoff := now.Add(-r.cfg.After)
	open, err := r.open(ctx, cutoff)
	if err != nil {
		return fmt.Errorf("look at journals: %w", err)
	}
	if err := r.sweepDays(ctx, cutoff, open); err != nil {
		return err
	}
	if err := r.sweepMessages(ctx, cutoff); err != nil {
		return err
	}
	if store, ok := r.store.(archive.UploadAborter); ok {
		n, err := store.AbortUploads(ctx, now.Add(-staleUpload))
		r.counts.uploads.Add(int64(n))
		if err != nil {
			return fmt.Errorf("abort stale uploads: %w", err)
		}
	}
	r.counts.last.Store(time.Now().Unix())
	return nil
}

// sweepDays goes through the index keys of the days that are wholly before the cutoff.
func (r *Retention) sweepDays(ctx context.Context, cutoff time.Time, open map[archive.PodUID]bool) error {
	for after := archive.Key(""); ; {
		keys, err := r.page(ctx, archive.DayPrefix, after)
		if err != nil {
			return err
		}
		for _, key := range keys {
			day, ref, ok := archive.ParseDayIndexKey(key)
			if !ok || !r.isOurs(ref.Namespace) {
				continue
			}
			if day.Add(24 * time.Hour).After(cutoff) {
				return nil
			}
			e := &expiry{retention: r, ref: ref, day: key, cutoff: cutoff, open: open}
			if err := e.run(ctx); err != nil {
				return fmt.Errorf("delete what is kept under %s: %w", key, err)
			}
		}
		if len(keys) == 0 {
			return nil
		}
		after = keys[len(keys)-1]
	}
}

func (r *Retention) isOurs(namespace string) bool {
	return r.cfg.Namespace == "" || namespace == r.cfg.Namespace
}

// page returns some keys, so that nothing is deleted in the middle of a listing.
func (r *Retention) page(ctx context.Context, prefix string, after archive.Key) ([]archive.Key, error) {
	const size = 1000
	var keys []archive.Key
	for object, err := range r.store.List(ctx, prefix, after) {
		if err != nil {
			return nil, err
		}
		if keys = append(keys, object.Key); len(keys) == size {
			break
		}
	}
	return keys, nil
}
