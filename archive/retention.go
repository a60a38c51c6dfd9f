package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// RetentionConfig says what is deleted from the store, and when.
type RetentionConfig struct {
	Namespace string // of the pods; what is kept of other namespaces is somebody else's. "": all
	// After is how long the logs of a Job are kept once the last of its pods was sealed; at least a day.
	After time.Duration
	// Leave says of what is to be left alone: a Job (without a pod's name) or a bare pod that another replica acts for, or
	// that the cluster still has. nil: nothing.
	Leave func(PodRef) bool
	// Dead says of a replica that its journal has no writer any more. nil: of none.
	Dead func(replica string) bool
}

// Retention deletes archived logs that are older than a setting, once a day, and nothing else. It goes by the index of
// days, and takes of a Job, in this order,
//
//	workload index keys → Job's document → manifests → log objects → day index key
//
// so that a Job is not found any more before the first of its parts goes, no manifest outlives a log that it names, and
// what a crash leaves is found by the next run under the day, which goes last. All keys are listed or read before they are
// deleted; an object of a form that the archive does not write stays. Several replicas may do the same at once.
type Retention struct {
	cfg     RetentionConfig
	store   Store
	journal *Journal
	log     *slog.Logger
	counts  retentionCounts
}

type retentionCounts struct {
	jobs, objects, journals, uploads, unreadable, failures, last atomic.Int64
}

// RetentionStats counts since the start of the process.
type RetentionStats struct {
	Jobs       int64 // Jobs and bare pods of which nothing is left
	Objects    int64 // that were deleted, with index keys and without journals
	Journals   int64 // objects of journals that were deleted
	Uploads    int64 // uploads that nobody went on with, and whose parts were given back
	Unreadable int64 // Jobs that were left because one of their manifests could not be read
	Failures   int64 // runs that failed
	Last       int64 // when a run succeeded last, seconds since 1970; 0: never
}

const (
	dayPrefix      = formatVersion + "/_index/day/"
	retentionEvery = 24 * time.Hour
	retentionAgain = time.Hour // after a run that failed
	// Soon after the start, for a daemon may be started anew each day; not at once, and not all replicas at the same time.
	retentionFirst  = time.Minute
	retentionSpread = 10 * time.Minute
	// staleUpload is older than any upload that goes on: the store's client gives up a request within minutes.
	staleUpload = 24 * time.Hour
)

// uploadAborter is what a store does that takes large objects in parts.
type uploadAborter interface {
	// AbortUploads gives back the parts of uploads that were begun before the given time and neither completed nor aborted,
	// and says how many uploads these were.
	AbortUploads(ctx context.Context, before time.Time) (int, error)
}

// NewRetention makes a Retention. Nothing runs before Run.
func NewRetention(cfg RetentionConfig, store Store, journal *Journal, log *slog.Logger) *Retention {
	if cfg.Leave == nil {
		cfg.Leave = func(PodRef) bool { return false }
	}
	if cfg.Dead == nil {
		cfg.Dead = func(string) bool { return false }
	}
	return &Retention{cfg: cfg, store: store, journal: journal, log: log}
}

// Run deletes once a day what is too old, until the context ends. A run that fails is done again within the hour: it goes on
// where the one before stopped.
func (r *Retention) Run(ctx context.Context) error {
	wait := retentionFirst + rand.N(retentionSpread)
	for sleep(ctx, wait) == nil {
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

// Stats gives the counts.
func (r *Retention) Stats() RetentionStats {
	c := &r.counts
	return RetentionStats{
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
	if store, ok := r.store.(uploadAborter); ok {
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
func (r *Retention) sweepDays(ctx context.Context, cutoff time.Time, open map[PodUID]bool) error {
	for after := Key(""); ; {
		keys, err := r.page(ctx, dayPrefix, after)
		if err != nil {
			return err
		}
		for _, key := range keys {
			day, ref, ok := parseDayIndexKey(key)
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

// page gives some keys, so that nothing is deleted in the middle of a listing.
func (r *Retention) page(ctx context.Context, prefix string, after Key) ([]Key, error) {
	const size = 1000
	var keys []Key
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

// parseDayIndexKey is the inverse of DayIndexKey: of a Job it gives a PodRef without a pod.
func parseDayIndexKey(key Key) (day time.Time, ref PodRef, ok bool) {
	rest, ok := strings.CutPrefix(string(key), dayPrefix)
	if !ok {
		return day, ref, false
	}
	date, name, _ := strings.Cut(rest, "/")
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return day, ref, false
	}
	ref, err = parseIndexName(name)
	return day, ref, err == nil
}

// errIndexName marks a name in an index that indexName does not make.
var errIndexName = errors.New("want <namespace>.<job>.<uid>")

// parseIndexName is the inverse of indexName.
func parseIndexName(name string) (PodRef, error) {
	wrong := fmt.Errorf("name in index is %q: %w", name, errIndexName)
	namespace, rest, _ := strings.Cut(name, ".")
	dot := strings.LastIndexByte(rest, '.')
	if namespace == "" || dot <= 0 || dot == len(rest)-1 || strings.Contains(name, "/") {
		return PodRef{}, wrong
	}
	owner, uid := rest[:dot], rest[dot+1:]
	pod, bare := strings.CutPrefix(owner, barePods+".")
	switch {
	case bare && pod != "":
		return PodRef{Namespace: namespace, Pod: pod, PodUID: PodUID(uid)}, nil
	case strings.HasPrefix(owner, barePods): // no Job is called so
		return PodRef{}, wrong
	}
	return PodRef{Namespace: namespace, Job: owner, JobUID: JobUID(uid)}, nil
}
