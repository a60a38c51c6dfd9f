package show

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	names "github.com/epilogue-dev/epilogue/mark"
)

// post writes a post-mortem: names and what stands behind them, set in by what they belong to. It is the one writer of
// those, and makes all that it writes safe for a terminal.
type post struct {
	out io.Writer
	now time.Time
}

func (p *post) line(depth int, name, format string, args ...any) {
	p.cells(depth, Safe(name)+":", fmt.Sprintf(format, args...))
}

func (p *post) head(depth int, name string) {
	fmt.Fprintf(p.out, "%s%s:\n", strings.Repeat("  ", depth), Safe(name))
}

func (p *post) cells(depth int, name, value string) {
	fmt.Fprintf(p.out, "%s%s\t%s\n", strings.Repeat("  ", depth), name, Safe(value))
}

// plain writes a line that is not set under others.
func (p *post) plain(depth int, format string, args ...any) {
	fmt.Fprintf(p.out, "%s%s\n", strings.Repeat("  ", depth), Safe(fmt.Sprintf(format, args...)))
}

func newPost(out io.Writer, now time.Time) (*post, *tabwriter.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	return &post{out: w, now: now}, w
}

// Job writes a Job's post-mortem, without its pods.
func Job(out io.Writer, job *archive.KeptJob, now time.Time) error {
	p, w := newPost(out, now)
	d := &job.Document
	j := &d.Job
	p.line(0, "Name", "%s", jobName(job))
	p.line(0, "Namespace", "%s", job.Namespace)
	if job.Job != "" {
		p.line(0, "UID", "%s", job.JobUID)
		p.line(0, "Status", "%s", jobStatus(job))
	}
	p.line(0, "Logs", "%s", proof(job))
	p.line(0, "Workloads", "%s", orNone(strings.Join(d.Workloads, ", ")))
	p.labels(0, "Labels", j.Labels)
	p.line(0, "Created", "%s", moment(now, j.CreatedAt))
	if job.Job != "" {
		p.line(0, "Started", "%s", moment(now, j.StartedAt))
		p.line(0, "Finished", "%s", moment(now, j.FinishedAt))
		p.line(0, "Pods", "%d kept, %d succeeded, %d failed%s", len(d.Pods), j.Succeeded, j.Failed, backoff(j))
	}
	return w.Flush()
}

func backoff(j *archive.JobSummary) string {
	if j.BackoffLimit == nil {
		return ""
	}
	return fmt.Sprintf(" (backoff limit %d)", *j.BackoffLimit)
}

func jobStatus(job *archive.KeptJob) string {
	status := JobStatus(&job.Document.Job)
	for _, c := range job.Document.Job.Conditions {
		if c.Type == status && c.Status == "True" && c.Reason != "" {
			return fmt.Sprintf("%s: %s%s", status, c.Reason, behind(", ", c.Message))
		}
	}
	return status
}

func (p *post) labels(depth int, name string, labels map[string]string) {
	if len(labels) == 0 {
		p.line(depth, name, none)
		return
	}
	for i, key := range slices.Sorted(maps.Keys(labels)) {
		if i > 0 {
			p.cells(depth, "", key+"="+labels[key])
			continue
		}
		p.line(depth, name, "%s=%s", key, labels[key])
	}
}

func behind(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

// Pod writes a pod's post-mortem. sealed: the manifest is in the store, and nothing in it changes any more.
func Pod(out io.Writer, m *archive.Manifest, sealed bool, now time.Time) error {
	p, w := newPost(out, now)
	s := &m.Pod
	p.line(0, "Pod", "%s", s.Pod)
	p.line(1, "Diagnosis", "%s", orNone(m.Diagnosis))
	p.line(1, "UID", "%s", s.PodUID)
	p.line(1, "Phase", "%s%s%s", s.Phase, behind(": ", s.Reason), behind(", ", s.Message))
	if why := s.Annotations[names.Ended]; why != "" {
		p.line(1, "Ended by Epilogue", "%s", why)
	}
	p.line(1, "Node", "%s", orNone(s.Node))
	p.line(1, "Service Account", "%s", orNone(s.ServiceAccount))
	p.line(1, "Created", "%s", moment(now, s.CreatedAt))
	p.line(1, "Started", "%s", moment(now, s.StartedAt))
	if !s.DeletedAt.IsZero() {
		p.line(1, "Deleted", "%s", moment(now, s.DeletedAt))
	}
	if sealed {
		p.line(1, "Sealed", "%s by %s", moment(now, m.SealedAt), orNone(m.SealedBy))
	} else {
		p.line(1, "Sealed", "not yet: its logs are still being read")
	}
	p.conditions(s.Conditions)
	p.head(1, "Containers")
	for i := range m.Instances {
		p.instance(&m.Instances[i], s)
	}
	p.events(m.Events)
	return w.Flush()
}

// conditions shows those that say that something is wrong.
func (p *post) conditions(all []archive.Condition) {
	for _, c := range all {
		if c.Reason != "" {
			p.line(1, c.Type, "%s: %s%s", c.Status, c.Reason, behind(", ", c.Message))
		}
	}
}

func (p *post) instance(r *archive.InstanceRecord, pod *archive.PodSummary) {
	name := r.Container
	if r.Restart > 0 {
		name = fmt.Sprintf("%s (restart %d)", name, r.Restart)
	}
	p.head(2, name)
	p.line(3, "Kind", "%s", r.Kind)
	p.line(3, "Image", "%s", orNone(imageOf(r, pod)))
	p.line(3, "State", "%s", state(&r.State))
	if !r.State.StartedAt.IsZero() {
		p.line(3, "Ran", "%s", ran(&r.State))
	}
	p.line(3, "Log", "%s%s", verdict(r.Verdict), behind(": ", r.Reason))
	if r.Log != nil {
		p.line(3, "Lines", "%d, %s (%s stored)", r.Log.Lines, Bytes(r.Log.Bytes), Bytes(r.Log.Size))
		p.line(3, "Object", "%s", r.Log.Key)
	}
	if r.Seams > 0 {
		p.line(3, "Seams", "%d: what the runtime wrote to a file between its renaming and its reopening is served to nobody", r.Seams)
	}
	for _, g := range r.Gaps {
		p.line(3, "Gap", "%s", gap(&g))
	}
}

func imageOf(r *archive.InstanceRecord, pod *archive.PodSummary) string {
	if r.State.Image != "" {
		return r.State.Image
	}
	for _, c := range pod.Containers {
		if c.Name == r.Container {
			return c.Image
		}
	}
	return ""
}

func state(s *archive.ContainerState) string {
	text := "running"
	switch {
	case s.ExitCode != nil && s.Signal != 0:
		text = fmt.Sprintf("exit code %d, signal %d", *s.ExitCode, s.Signal)
	case s.ExitCode != nil:
		text = fmt.Sprintf("exit code %d", *s.ExitCode)
	case s.StartedAt.IsZero():
		text = "not started"
	}
	return text + behind(": ", s.Reason) + behind(", ", s.Message)
}

func ran(s *archive.ContainerState) string {
	start := s.StartedAt.UTC().Format(time.RFC3339)
	if s.FinishedAt.IsZero() {
		return "since " + start
	}
	return fmt.Sprintf("%s to %s (%s)", start, s.FinishedAt.UTC().Format(time.RFC3339), s.FinishedAt.Sub(s.StartedAt).Round(time.Second))
}

func gap(g *archive.Gap) string {
	where := fmt.Sprintf("after line %d", g.AfterLine)
	if g.From != 0 || g.To != 0 {
		where += fmt.Sprintf(", %s to %s", Time(g.From), Time(g.To))
	}
	text := fmt.Sprintf("%s: %s%s", where, g.Reason, behind(", ", g.Detail))
	if g.Unproven {
		text += " (no line is known to be missing)"
	}
	if g.More > 0 {
		text += fmt.Sprintf(" (and %d more)", g.More)
	}
	return text
}

func (p *post) events(events []archive.Event) {
	if len(events) == 0 {
		p.line(1, "Events", none)
		return
	}
	p.head(1, "Events")
	for _, e := range events {
		times := ""
		if e.Count > 1 {
			times = fmt.Sprintf(" (%d times)", e.Count)
		}
		p.plain(2, "%s  %s %s/%s: %s%s", e.Last.UTC().Format(time.RFC3339), e.Type, e.Object, e.Reason, strings.TrimSpace(e.Message), times)
	}
}
