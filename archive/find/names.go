package find

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/room"
)

// JobName is a Job that the index names, or a pod without a Job, of which nothing was read.
type JobName struct {
	archive.PodRef        // without the pod, unless it is a pod without a Job
	Open           bool   // some of its pods are not sealed yet, or were not a moment ago
	Name           string // names it within everything that is kept

	open []*FoundPod
}

// Names lists Jobs as Jobs does, and reads no document: it is for whoever knows most of them already. What is open
// comes first, whatever the day on which it was made; the rest by days, the oldest first. After does not apply. An
// error is the last thing it yields.
func (r *Finder) Names(ctx context.Context, q archive.JobQuery) iter.Seq2[JobName, error] {
	return func(yield func(JobName, error) bool) {
		q.Workload, q.After = "", ""
		if err := q.Validate(); err != nil {
			yield(JobName{}, err)
			return
		}
		back, err := room.Of(ctx).Find(ctx)
		if err != nil {
			yield(JobName{}, err)
			return
		}
		defer back()
		l := &jobList{reader: r, query: &q}
		if err := l.openJobs(ctx); err != nil {
			yield(JobName{}, err)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(l.open)) {
			if !l.giveName(name, yield) {
				return
			}
		}
		l.storedNames(ctx, yield)
	}
}

// storedNames gives the names of the query's days that are not open, in one listing.
func (l *jobList) storedNames(ctx context.Context, yield func(JobName, error) bool) {
	first, last, err := l.span(ctx)
	if err != nil {
		yield(JobName{}, err)
		return
	}
	until := last.Format(time.DateOnly)
	for object, err := range l.reader.Cfg.Store.List(ctx, archive.DayPrefix, archive.Key(archive.DayPrefix+first.Format(time.DateOnly))) {
		if err != nil {
			yield(JobName{}, fmt.Errorf("list Jobs: %w", err))
			return
		}
		day, name := archive.SplitDayKey(object.Key)
		if day > until {
			return
		}
		if l.open[name] == nil && !l.giveName(name, yield) {
			return
		}
	}
}

// giveName returns one name, unless it cannot be understood or is of another namespace.
func (l *jobList) giveName(name string, yield func(JobName, error) bool) bool {
	ref, err := archive.ParseIndexName(name)
	if err != nil || l.query.Namespace != "" && ref.Namespace != l.query.Namespace {
		return true
	}
	open := l.open[name]
	return yield(JobName{PodRef: ref, Open: len(open) > 0, Name: name, open: open}, nil)
}

// Named reads what is known of a Job that Names has given: nil where nothing is there any more.
func (r *Finder) Named(ctx context.Context, n JobName) (*archive.KeptJob, error) {
	return r.job(ctx, n.PodRef, n.open)
}
