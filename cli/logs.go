package cli

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

// logging is one call of `logs`.
type logging struct {
	*program
	follow, previous, all, timestamps, prefix bool
	containers                                []string
	tail, limitBytes                          int64
	attempt, before, after, around            int
	since, sinceTime, until                   string
	include, exclude, highlight               []string
	colors, form                              string

	query archive.Query
	style show.LineStyle
	drop  *regexp.Regexp // lines that are left out here; nil: none, the query's Grep does it
}

const longLogs = `Print the log of a Job, a pod or a workload, whether it still runs or is long gone.

Without flags all of it is printed: every pod of the Job in the order in which they were made, and in it every container
and each of its restarts. The flags narrow it down.

Lines go to standard output. What is to be said about them goes to standard error: which log begins, and of a log that
is not whole what is missing and why.

To a pipe or a file goes what the container wrote, byte by byte. To a terminal colours pass, and other control
characters are shown in caret notation (^G, ^[): a log could otherwise steer the terminal. Of a line that was drawn over
and over, as progress bars are, a terminal gets what it was in the end, and with -f what it was at the end of each piece
that came. -o raw passes everything, whatever the output is.`

const exampleLogs = `  # All that a Job wrote
  kubectl epilogue logs nightly-28390

  # Its last lines, and what comes, to the end of the Job
  kubectl epilogue logs -f --tail 20 nightly-28390

  # The second try only, with times
  kubectl epilogue logs nightly-28390 --attempt 2 --timestamps

  # What went wrong, over all Jobs of a workload
  kubectl epilogue logs workload/6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b --prefix -i 'error|traceback'

  # The ten lines before each error
  kubectl epilogue logs nightly-28390 -i error -B 10

  # From the bucket, when the cluster is gone
  kubectl epilogue logs pod/nightly-28390-x7k2p -n zenml --archive s3://bucket/prefix`

func (p *program) logs() *cobra.Command {
	l := &logging{program: p}
	cmd := &cobra.Command{
		Use: "logs NAME", Aliases: []string{"log"}, Short: "Print the log of a Job, a pod or a workload, live or long gone",
		Long: longLogs + "\n\n" + targetHelp, Example: exampleLogs, Args: takes(1, 1, "name"), ValidArgsFunction: p.targetNames,
		RunE: func(cmd *cobra.Command, args []string) error { return l.run(cmd.Context(), args[0]) },
	}
	l.flags(cmd)
	return cmd
}

func (l *logging) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&l.follow, "follow", "f", false, "Go on with lines as they come, until the Job's or the pod's logs are sealed")
	f.StringSliceVarP(&l.containers, "container", "c", nil, "Print only this container; may be given more than once")
	f.BoolVar(&l.all, "all-containers", false, "Print all containers, which is the default")
	f.BoolVarP(&l.previous, "previous", "p", false, "Print of each container the run before its last one")
	f.IntVar(&l.attempt, "attempt", 0, "Print one pod of each Job, by the order in which they were made: 1 is the first, -1 the last; 0 is all")
	f.Int64Var(&l.tail, "tail", -1, "Print so many of the last lines of each log, of those that -i and -e leave; -1 is all")
	f.StringVar(&l.since, "since", "", "Print only lines that are younger than a duration, such as 5s, 2m, 3h or 7d")
	f.StringVar(&l.sinceTime, "since-time", "", "Print only lines from a time on (RFC 3339)")
	f.StringVar(&l.until, "until", "", "Print only lines before a time (RFC 3339), or older than a duration")
	f.Int64Var(&l.limitBytes, "limit-bytes", 0, "Stop after so many bytes of lines; 0 is no limit")
	f.StringArrayVarP(&l.include, "include", "i", nil, "Print only lines that match a regular expression (RE2); one of several is enough")
	f.StringArrayVarP(&l.exclude, "exclude", "e", nil, "Leave out lines that match a regular expression (RE2); one of several is enough")
	f.IntVarP(&l.after, "after", "A", 0, "Print so many lines after each line that -i picks")
	f.IntVarP(&l.before, "before", "B", 0, "Print so many lines before each line that -i picks")
	f.IntVarP(&l.around, "around", "C", 0, "Print so many lines before and after each line that -i picks")
	f.StringArrayVarP(&l.highlight, "highlight", "H", nil, "Mark what matches a regular expression (RE2), where there are colours")
	f.BoolVar(&l.timestamps, "timestamps", false, "Begin each line with its time")
	f.BoolVar(&l.prefix, "prefix", false, "Begin each line with its pod and container")
	f.StringVar(&l.colors, "color", "auto", "Colours: auto, always or never; auto is on a terminal where NO_COLOR is not set")
	f.StringVarP(&l.form, "output", "o", show.FormText, "Form of the lines: text, json (an object each) or raw (the bytes, whatever the output is)")
	l.addSource(cmd)
	complete(cmd, "color", "auto", "always", "never")
	complete(cmd, "output", show.FormText, show.FormJSON, show.FormRaw)
	l.completeWith(cmd, "container", l.containerNames)
}

func (l *logging) run(ctx context.Context, name string) error {
	if err := l.complete(); err != nil {
		return err
	}
	o, t, err := l.target(ctx, name)
	if err != nil {
		return err
	}
	l.query.Target = t
	return l.print(ctx, o)
}

// complete turns flags into a query and a style.
func (l *logging) complete() (err error) {
	if l.all && len(l.containers) > 0 {
		return wrongUse("--all-containers is set and --container is %q, want one of them", l.containers)
	}
	q := &l.query
	q.Containers, q.Attempt, q.LimitBytes, q.Follow = l.containers, l.attempt, l.limitBytes, l.follow
	if l.previous {
		q.Which = archive.Previous
	}
	if l.tail < -1 {
		return wrongUse("--tail is %d, want 0 or more, or -1 for all", l.tail)
	}
	if l.tail >= 0 {
		q.Tail = &l.tail
	}
	if err := l.times(); err != nil {
		return err
	}
	if err := l.filters(); err != nil {
		return err
	}
	return l.look()
}

func (l *logging) times() (err error) {
	q := &l.query
	if l.since != "" && l.sinceTime != "" {
		return wrongUse("--since is %q and --since-time is %q, want one of them", l.since, l.sinceTime)
	}
	if l.since != "" {
		ago, err := parseAgo(l.since)
		if err != nil {
			return wrongUse("--since is %q, want a duration such as 5s, 2m, 3h or 7d", l.since)
		}
		q.Since = l.now().Add(-ago)
	}
	if l.sinceTime != "" {
		if q.Since, err = parseTime(l.sinceTime); err != nil {
			return wrongUse("--since-time is %q, want a time such as 2026-11-23T10:00:00Z", l.sinceTime)
		}
	}
	q.Until, err = l.moment("until", l.until)
	return err
}

// filters leaves the filtering to whoever has the lines, where one expression can say it.
func (l *logging) filters() error {
	include, err := joined("include", l.include)
	if err != nil {
		return err
	}
	exclude, err := joined("exclude", l.exclude)
	if err != nil {
		return err
	}
	if err := l.context(include != nil); err != nil {
		return err
	}
	switch {
	case include != nil:
		l.query.Grep, l.drop = &archive.Grep{Pattern: include.String(), Before: max(l.before, l.around), After: max(l.after, l.around)}, exclude
	case exclude != nil:
		l.query.Grep = &archive.Grep{Pattern: exclude.String(), Invert: true}
	}
	l.style.Highlight, err = joined("highlight", slices.Concat(l.include, l.highlight))
	return err
}

// context checks the flags for lines around those that match. The longest of two wins.
func (l *logging) context(matching bool) error {
	for _, flag := range []struct {
		name  string
		lines int
	}{{"after", l.after}, {"before", l.before}, {"around", l.around}} {
		switch {
		case flag.lines < 0 || flag.lines > archive.MaxContext:
			return wrongUse("--%s is %d, want 0 to %d lines", flag.name, flag.lines, archive.MaxContext)
		case flag.lines > 0 && !matching:
			return wrongUse("--%s is %d, want none without --include, whose matches it is about", flag.name, flag.lines)
		}
	}
	return nil
}

// joined returns one expression that matches where one of several does; nil without any.
func joined(flag string, patterns []string) (*regexp.Regexp, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	var parts []string
	for _, pattern := range patterns {
		if _, err := regexp.Compile(pattern); err != nil {
			return nil, wrongUse("--%s is %q, want a regular expression in RE2 syntax: %w", flag, pattern, err)
		}
		parts = append(parts, "(?:"+pattern+")")
	}
	all := strings.Join(parts, "|")
	if len(patterns) == 1 {
		all = patterns[0]
	}
	return regexp.Compile(all)
}

// look says how lines are written.
func (l *logging) look() (err error) {
	if !slices.Contains([]string{show.FormText, show.FormJSON, show.FormRaw}, l.form) {
		return wrongUse("--output is %q, want text, json or raw", l.form)
	}
	s := &l.style
	s.Form, s.Timestamps, s.Prefix, s.Flush = l.form, l.timestamps, l.prefix, l.follow
	s.Terminal = l.terminal(l.Out)
	s.Color, err = l.color(l.colors, l.Out)
	if l.form != show.FormText && (l.timestamps || l.prefix) {
		return wrongUse("--timestamps and --prefix are of --output text, and --output is %q", l.form)
	}
	return err
}
