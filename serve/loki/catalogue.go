package loki

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

const (
	// longestJob is for how long a Job that has ended may have run to be found by a time at its end: the index knows on
	// which day it was made, and no more. Jobs that have not ended are found whatever their age.
	longestJob = 7 * 24 * time.Hour
	// mostJobs bounds what one query looks at.
	mostJobs = 100_000
	// loadAtOnce is how many Jobs are read at once that are not known yet.
	loadAtOnce = 64
	// nameBytes is what a Job takes of its caller's memory while a query is answered; what is known of it is shared.
	nameBytes = 400
	// catalogueBytes bounds what is known of Jobs that have ended: some ten thousand.
	catalogueBytes = 24 << 20
)

// catalogue holds what was read of Jobs of which nothing changes any more. What is there at all is asked of the archive
// each time. Safe for concurrent use.
type catalogue struct {
	shelf *shelf
	log   *slog.Logger

	mu    sync.Mutex
	jobs  map[string]*keptJob // guarded by mu; by jobName.Name
	bytes int                 // guarded by mu
}

func newCatalogue(s *shelf, log *slog.Logger) *catalogue {
	return &catalogue{shelf: s, log: log, jobs: map[string]*keptJob{}}
}

func (c *catalogue) get(name string) *keptJob {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jobs[name]
}

// put takes in a Job. Any other goes where there is no room: queries ask for all of a time again and again.
func (c *catalogue) put(name string, job *keptJob) {
	c.mu.Lock()
	defer c.mu.Unlock()
	weight := job.weight()
	if c.jobs[name] != nil || weight > catalogueBytes/16 {
		return
	}
	for other, j := range c.jobs {
		if c.bytes+weight <= catalogueBytes {
			break
		}
		c.bytes -= j.weight()
		delete(c.jobs, other)
	}
	c.jobs[name] = job
	c.bytes += weight
}

// asked is whose question is answered: it asks for rights before anything is looked at.
type asked struct {
	may     func(ctx context.Context, act access.Act) error
	allowed map[string]bool // by namespace
}

// namespace says whether the caller may read the logs of a namespace; its error is the API server's trouble.
func (a *asked) namespace(ctx context.Context, name string) (bool, error) {
	if may, known := a.allowed[name]; known {
		return may, nil
	}
	err := a.may(ctx, access.ReadLogs.In(name, ""))
	if err != nil && !apierrors.IsForbidden(err) {
		return false, err
	}
	a.allowed[name] = err == nil
	return err == nil, nil
}

// find gives the logs that can have lines or notes from <= time < to, and that matchers pick, in their order, of the
// namespaces whose logs the caller may read. Who names a namespace that he may not read is refused; else what he may
// not read is as if it were not there.
func (c *catalogue) find(ctx context.Context, who *asked, matchers []logql.Matcher, from, to int64) ([]*keptLog, error) {
	namespace := ""
	for i := range matchers {
		if matchers[i].Name == labelNamespace && matchers[i].Op == logql.Equal && matchers[i].Value != "" {
			namespace = matchers[i].Value
			if err := who.may(ctx, access.ReadLogs.In(namespace, "")); err != nil {
				return nil, err
			}
		}
	}
	names, err := c.names(ctx, who, namespace, matchers, from, to)
	if err != nil {
		return nil, err
	}
	jobs, err := c.load(ctx, names)
	if err != nil {
		return nil, err
	}
	var logs []*keptLog
	for _, j := range jobs {
		if j == nil {
			continue
		}
		for _, l := range j.logs {
			if l.from < to && l.to >= from-int64(slack) && (l.matches(matchers, l.stream) || l.matches(matchers, l.aside)) {
				logs = append(logs, l)
			}
		}
	}
	slices.SortFunc(logs, (*keptLog).compare)
	return logs, nil
}

// names gives the Jobs that matchers may pick, as far as their names tell.
func (c *catalogue) names(ctx context.Context, who *asked, namespace string, matchers []logql.Matcher, from, to int64) ([]jobName, error) {
	var names []jobName
	for n, err := range c.shelf.names(ctx, namespace, time.Unix(0, from), time.Unix(0, to)) {
		if err != nil {
			return nil, err
		}
		if may, err := who.namespace(ctx, n.Namespace); err != nil {
			return nil, err
		} else if !may || !namesMatch(matchers, &n) {
			continue
		}
		if err := reserve(ctx, nameBytes); err != nil {
			return nil, err
		}
		if names = append(names, n); len(names) > mostJobs {
			return nil, &logql.CeilingError{What: "Jobs to look at", Most: mostJobs}
		}
	}
	return names, nil
}

// namesMatch says whether a Job may be one that matchers pick.
func namesMatch(matchers []logql.Matcher, n *jobName) bool {
	for i := range matchers {
		m, value := &matchers[i], n.Pod
		switch {
		case m.Name == labelNamespace:
			value = n.Namespace
		case m.Name == labelJob, m.Name == labelService && n.Job != "":
			value = n.Job
		case m.Name == labelService, m.Name == metaPod && n.Job == "":
		default:
			continue
		}
		if !m.Matches(value) {
			return false
		}
	}
	return true
}

// load gives the Jobs of names: those that are known, and the others read, many at once. One is nil where nothing is
// there any more.
func (c *catalogue) load(ctx context.Context, names []jobName) ([]*keptJob, error) {
	jobs := make([]*keptJob, len(names))
	reading, within := errgroup.WithContext(ctx)
	reading.SetLimit(loadAtOnce)
	for i := range names {
		if !names[i].Open {
			if jobs[i] = c.get(names[i].Name); jobs[i] != nil {
				continue
			}
		}
		reading.Go(func() error {
			job, settled, err := c.shelf.load(within, &names[i])
			switch {
			case gone(err): // by a retention, since it was listed; or damaged, which must not hide the others
				c.log.Warn("Job cannot be shown", "name", names[i].Name, "err", err)
				return nil
			case err != nil:
				return fmt.Errorf("look at Job %s: %w", names[i].Name, err)
			}
			if job != nil && settled {
				c.put(names[i].Name, job)
			}
			jobs[i] = job
			return nil
		})
	}
	return jobs, reading.Wait()
}
