package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

// listing is one call of `list`.
type listing struct {
	*program
	output
	all, failed              bool
	since, verdict, workload string
	selector                 string
	limit                    int

	query  archive.JobQuery
	labels labels.Selector
}

const exampleList = `  # The newest Jobs of the kubeconfig's namespace
  kubectl epilogue list

  # What failed in the last two days, in any namespace, and why
  kubectl epilogue list -A --failed --since 2d -o wide

  # Jobs with a log that is not whole, straight from the bucket
  kubectl epilogue list --archive s3://bucket/prefix --verdict partial`

func (p *program) list() *cobra.Command {
	l := &listing{program: p, output: newOutput("wide")}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls", "jobs"}, Short: "List Jobs whose logs are kept, the newest day first",
		Long: "List Jobs whose logs are kept, the newest day first.\n\nVERDICT is the worst on any log of the Job: complete, empty, open (still being\n" +
			"read), never-started, seamed, partial or lost; behind it stands how many seams its logs have, where one file ends and\n" +
			"the next begins.",
		Example: exampleList, Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.BoolVarP(&l.all, "all-namespaces", "A", false, "List the Jobs of all namespaces")
	f.BoolVar(&l.failed, "failed", false, "List only Jobs that failed")
	f.StringVar(&l.since, "since", "", "List only Jobs that were made in so much time, such as 12h or 7d, or since a time or date")
	f.StringVar(&l.verdict, "verdict", "", "List only Jobs with this verdict as their worst")
	f.StringVar(&l.workload, "workload", "", "List only the Jobs of this workload")
	f.StringVarP(&l.selector, "selector", "l", "", "Label selector of the Jobs, such as tier=nightly,app!=test")
	f.IntVar(&l.limit, "limit", 500, "List so many Jobs at most; 0 is all")
	l.add(cmd)
	complete(cmd, "verdict", append(verdictWords(), show.Open)...)
	p.completeWith(cmd, "workload", p.workloadNames)
	return cmd
}

func verdictWords() (words []string) {
	for _, v := range archive.Verdicts {
		words = append(words, string(v))
	}
	return words
}

func (l *listing) complete() error {
	var err error
	if !l.all {
		if l.query.Namespace, err = l.namespace(); err != nil {
			return err
		}
	}
	if l.labels, err = labels.Parse(l.selector); err != nil {
		return wrongUse("--selector is %q, want one such as tier=nightly,app!=test: %w", l.selector, err)
	}
	if words := append(verdictWords(), show.Open); l.verdict != "" && !slices.Contains(words, l.verdict) {
		return wrongUse("--verdict is %q, want one of %q", l.verdict, words)
	}
	if l.limit < 0 {
		return wrongUse("--limit is %d, want 0 or more", l.limit)
	}
	l.query.Workload = l.workload
	l.query.Since, err = l.moment("since", l.since)
	return err
}

func (l *listing) run(ctx context.Context) error {
	print, err := l.printer(l.Out)
	if err != nil {
		return err
	}
	if err := l.complete(); err != nil {
		return err
	}
	o, err := l.open(ctx)
	if err != nil {
		return err
	}
	jobs, more, err := l.collect(ctx, o)
	if err != nil {
		return err
	}
	if print != nil {
		return print.list(jobObjects(jobs))
	}
	if len(jobs) == 0 {
		l.warn("No Jobs found%s.", l.where())
		return nil
	}
	cols := show.Columns{Namespace: l.all, Wide: l.wide(), NoHeaders: l.noHeaders, Now: l.now()}
	if err := show.Jobs(l.Out, jobs, cols); err != nil {
		return err
	}
	if more {
		l.warn("There are more; --limit 0 lists all.")
	}
	return nil
}

func (l *listing) where() string {
	if l.all {
		return ""
	}
	return fmt.Sprintf(" in namespace %s", l.query.Namespace)
}

// collect returns the Jobs up to the limit. One whose document is damaged is told and left out.
func (l *listing) collect(ctx context.Context, o origin) (jobs []archive.KeptJob, more bool, err error) {
	for job, err := range o.Jobs(ctx, l.query) {
		switch {
		case isDamage(err):
			l.warn("warning: %v", err)
		case err != nil:
			return nil, false, err
		case !l.picks(&job):
		case l.limit > 0 && len(jobs) == l.limit:
			return jobs, true, nil
		default:
			jobs = append(jobs, job)
		}
	}
	return jobs, false, nil
}

func (l *listing) picks(job *archive.KeptJob) bool {
	d := &job.Document
	switch {
	case l.failed && show.JobStatus(&d.Job) != "Failed":
		return false
	case l.verdict != "" && show.Worst(show.Verdicts(job)) != l.verdict:
		return false
	case !l.query.Since.IsZero() && d.Job.CreatedAt.Before(l.query.Since):
		return false
	default:
		return l.labels.Matches(labels.Set(d.Job.Labels))
	}
}

// moment reads a flag with a time, or with how long ago it was. Zero where it is empty.
func (p *program) moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := parseAgo(text); err == nil {
		return p.now().Add(-ago), nil
	}
	at, err := parseTime(text)
	if err != nil {
		return at, wrongUse("--%s is %q, want a duration such as 90s, 2h or 7d, or a time such as 2026-11-23T10:00:00Z", flag, text)
	}
	return at, nil
}
