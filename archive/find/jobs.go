package find

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/room"
)

// Jobs lists Jobs: those of the newest day first, within a day by namespace and name; those of a workload by namespace
// and name. Jobs that are open are listed too, those of other replicas as soon as their journals tell of them. Stopping
// early costs at most the documents of some Jobs that were read ahead. An error is the last thing it yields, unless it
// wraps ErrDamaged: then the Job's document cannot be read, and the list goes on.
func (r *Finder) Jobs(ctx context.Context, q archive.JobQuery) iter.Seq2[archive.KeptJob, error] {
	return func(yield func(archive.KeptJob, error) bool) {
		if err := q.Validate(); err != nil {
			yield(archive.KeptJob{}, err)
			return
		}
		back, err := room.Of(ctx).Find(ctx)
		if err != nil {
			yield(archive.KeptJob{}, err)
			return
		}
		defer back()
		l := &jobList{reader: r, query: &q}
		l.run(ctx, yield)
	}
}

// jobList is one list.
type jobList struct {
	reader *Finder
	query  *archive.JobQuery
	open   map[string][]*FoundPod // pods that are not sealed, or were not a moment ago, by the name in the index
	days   map[string][]string    // the same names by the days on which the Jobs were made; nil: not made yet
	ahead  map[string][]string    // names of folders that were listed together, in order
}

func (l *jobList) run(ctx context.Context, yield func(archive.KeptJob, error) bool) {
	if err := l.openJobs(ctx); err != nil {
		yield(archive.KeptJob{}, err)
		return
	}
	if l.query.Workload != "" {
		l.folder(ctx, l.query.CursorFolder(), l.openNames(func(p *FoundPod) bool {
			return slices.Contains(p.Workloads, l.query.Workload)
		}), yield)
		return
	}
	l.byDay(ctx, yield)
}

// openJobs finds what is open, here and by the journals of other replicas, where pods may be sealed by now.
func (l *jobList) openJobs(ctx context.Context) error {
	everything := archive.Target{Namespace: l.query.Namespace}
	pods := l.reader.spooled(everything)
	elsewhere, err := l.reader.journaled(ctx, everything, false)
	if err != nil {
		return fmt.Errorf("list open Jobs: %w", err)
	}
	for uid, p := range elsewhere {
		if pods[uid] == nil {
			pods[uid] = p
		}
	}
	l.open = map[string][]*FoundPod{}
	for _, p := range pods {
		name := p.Pod.IndexName()
		l.open[name] = append(l.open[name], p)
	}
	return nil
}

func (l *jobList) openNames(wanted func(*FoundPod) bool) (names []string) {
	for name, pods := range l.open {
		if slices.ContainsFunc(pods, wanted) {
			names = append(names, name)
		}
	}
	return names
}

// folder lists the Jobs of one folder of an index and those that are open. It returns false where the list is at its
// end.
func (l *jobList) folder(ctx context.Context, folder string, open []string, yield func(archive.KeptJob, error) bool) bool {
	const ahead = 32 // Jobs whose documents are read at once
	after, here := strings.CutPrefix(l.query.After, folder)
	if !here {
		after = ""
	}
	slices.Sort(open)
	var names []string
	for name, err := range l.names(ctx, folder, after, open) {
		if err != nil {
			yield(archive.KeptJob{}, err)
			return false
		}
		if names = append(names, name); len(names) == ahead {
			if !l.give(ctx, folder, names, yield) {
				return false
			}
			names = nil
		}
	}
	return l.give(ctx, folder, names, yield)
}

// names yields the names of a folder, merged with those that are open, each once and in order.
func (l *jobList) names(ctx context.Context, folder, after string, open []string) iter.Seq2[string, error] {
	open = slices.DeleteFunc(slices.Clone(open), func(name string) bool { return name <= after })
	return func(yield func(string, error) bool) {
		for name, err := range l.kept(ctx, folder, after) {
			if err != nil {
				yield("", fmt.Errorf("list Jobs: %w", err))
				return
			}
			for len(open) > 0 && open[0] < name {
				if !yield(open[0], nil) {
					return
				}
				open = open[1:]
			}
			if len(open) > 0 && open[0] == name {
				open = open[1:]
			}
			if !yield(name, nil) {
				return
			}
		}
		for _, name := range open {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// kept yields the names that the index has in a folder.
func (l *jobList) kept(ctx context.Context, folder, after string) iter.Seq2[string, error] {
	within := ""
	if l.query.Namespace != "" {
		within = l.query.Namespace + "."
	}
	if l.ahead != nil {
		return func(yield func(string, error) bool) {
			for _, name := range l.ahead[folder] {
				if name > after && strings.HasPrefix(name, within) && !yield(name, nil) {
					return
				}
			}
		}
	}
	prefix, start := archive.IndexPrefix+folder, archive.Key("")
	if after != "" {
		start = archive.Key(prefix + after)
	}
	return func(yield func(string, error) bool) {
		for object, err := range l.reader.Cfg.Store.List(ctx, prefix+within, start) {
			if !yield(strings.TrimPrefix(string(object.Key), prefix), err) {
				return
			}
		}
	}
}

// give reads the Jobs of some names, at once, and gives them in order.
func (l *jobList) give(ctx context.Context, folder string, names []string, yield func(archive.KeptJob, error) bool) bool {
	jobs, errs := make([]*archive.KeptJob, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { jobs[i], errs[i] = l.job(ctx, name) })
	}
	all.Wait()
	for i, job := range jobs {
		if job == nil && errs[i] == nil {
			continue
		}
		if job == nil {
			job = &archive.KeptJob{}
		}
		job.Cursor = folder + names[i]
		if !yield(*job, errs[i]) || errs[i] != nil && !errors.Is(errs[i], archive.ErrDamaged) {
			return false
		}
	}
	return true
}

// job returns one Job, nil where its name cannot be understood or nothing is there.
func (l *jobList) job(ctx context.Context, name string) (*archive.KeptJob, error) {
	ref, err := archive.ParseIndexName(name)
	if err != nil {
		return nil, nil
	}
	open := l.open[name]
	if job := l.reader.lists.get(name, len(open) > 0); job != nil {
		return job, nil
	}
	job, err := l.reader.job(ctx, ref, open)
	if job != nil && err == nil {
		l.reader.lists.put(name, job)
	}
	return job, err
}
