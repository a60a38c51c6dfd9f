package try

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

// counts are what the end of a trial tells.
type counts struct {
	jobs, pods, sealed int
	verdicts           map[archive.Verdict]int
	example            *archive.InstanceRecord // a log of which there is an object, complete rather than not
}

func (c *counts) add(m *archive.Manifest) {
	c.sealed++
	if c.verdicts == nil {
		c.verdicts = map[archive.Verdict]int{}
	}
	for i := range m.Instances {
		r := &m.Instances[i]
		c.verdicts[r.Verdict]++
		if r.Log != nil && (c.example == nil || c.example.Verdict != archive.Complete) {
			c.example = r
		}
	}
}

func stateOf(j *batchv1.Job) string {
	switch {
	case j.Spec.Suspend != nil && *j.Spec.Suspend:
		return "suspended"
	case j.Status.Active == 0:
		return "waits for a pod"
	default:
		return "running"
	}
}

func endOf(c *batchv1.JobCondition) string {
	if c.Type == batchv1.JobComplete {
		return string(c.Type)
	}
	return string(c.Type) + ": " + sentence(c.Reason, c.Message)
}

// sentence is a reason and the first line of its message.
func sentence(reason, message string) string {
	line, _, _ := strings.Cut(message, "\n")
	switch {
	case line == "":
		return cmp.Or(reason, "no reason is given")
	case reason == "":
		return line
	default:
		return reason + ": " + line
	}
}

// verdictOf says of a log how much of it is kept.
func verdictOf(r *archive.InstanceRecord) string {
	text := string(r.Verdict)
	if r.Log != nil {
		text += fmt.Sprintf(", %s, %s", several(r.Log.Lines, "line"), show.Bytes(r.Log.Bytes))
	}
	if r.Seams > 0 {
		text += ", " + several(r.Seams, "unproven seam")
	}
	switch r.Verdict {
	case archive.Empty:
		text += ", it ran and wrote nothing"
	case archive.Lost, archive.NeverStarted:
		text += ", " + cmp.Or(r.Reason, "no reason is known")
	}
	if code := r.State.ExitCode; code != nil {
		text += fmt.Sprintf(", exit code %d", *code)
	}
	return text
}

// mostGaps is how many are told one by one.
const mostGaps = 5

// gapsOf returns a line for each gap of a log that is there in part.
func gapsOf(r *archive.InstanceRecord) []string {
	var lines []string
	for i, g := range r.Gaps {
		if i == mostGaps {
			lines = append(lines, fmt.Sprintf("*   and %d more", len(r.Gaps)-mostGaps))
			break
		}
		what := "lines are missing"
		if g.Unproven {
			what = "lines may be missing"
		}
		text := fmt.Sprintf("*   %s after line %d: %s", what, g.AfterLine, g.Reason)
		if g.Detail != "" {
			text += ": " + g.Detail
		}
		lines = append(lines, text)
	}
	return lines
}

func several(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// head is what a trial begins with.
func head(cfg Config, f *Folder) []string {
	which := "Jobs"
	if cfg.Selector != "" {
		which = "Jobs with " + cfg.Selector
	}
	until := "until Ctrl-C"
	if cfg.UntilIdle {
		until = "until all have ended, or Ctrl-C"
	}
	if cfg.For > 0 {
		until = fmt.Sprintf("for %s, or %s", cfg.For, until)
	}
	return []string{
		fmt.Sprintf("Archiving the %s of namespace %s at %s into %s %s.", which, cfg.Namespace, cfg.Server, f.Archive, until),
		fmt.Sprintf("Nothing is written in the cluster. The program's own log is %s.", f.logFile()),
	}
}

// end is what it ends with: what there is, how to read it, and what an installation would add.
func (b *board) end(f *Folder, file func(archive.Key) string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.count
	lines := append([]string{""}, c.tell()...)
	if c.pods > 0 {
		lines = append(lines, b.howToRead(c, f, file)...)
	}
	return append(lines, installed...)
}

func (c *counts) tell() []string {
	text := fmt.Sprintf("%s, %s.", several(int64(c.jobs), "Job"), several(int64(c.pods), "pod"))
	var kept []string
	for _, v := range archive.Verdicts {
		if n := c.verdicts[v]; n > 0 {
			kept = append(kept, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(kept) > 0 {
		text += " Their logs: " + strings.Join(kept, ", ") + "."
	}
	if open := c.pods - c.sealed; open > 0 {
		text += fmt.Sprintf(" Of %s that had not ended all that came is kept, too; the next trial in the folder goes on with it.", several(int64(open), "pod"))
	}
	return []string{text}
}

func (b *board) howToRead(c counts, f *Folder, file func(archive.Key) string) []string {
	name := "JOB"
	if c.example != nil && c.example.Job != "" {
		name = c.example.Job
	}
	at := fmt.Sprintf("-n %s --archive file://%s", b.cfg.Namespace, filepath.ToSlash(f.Archive))
	lines := []string{
		"To read them, also when pods or cluster are gone:",
		"    kubectl epilogue list " + at,
		"    kubectl epilogue logs " + name + " " + at,
		"    kubectl epilogue describe " + name + " " + at,
	}
	if c.example != nil {
		lines = append(lines, "    zstd -dc "+file(c.example.Log.Key))
	}
	return append(lines, "where `kubectl epilogue` is the program kubectl-epilogue, anywhere on the PATH.")
}

var installed = []string{
	"An installation, by its Helm chart, would besides",
	"    be there before the first line, and hold each Job and its pods until their logs are safe, whoever deletes them;",
	"    keep the logs in S3, and go on by another replica when one dies;",
	"    delete finished Jobs when their time is over, and end pods that can never start;",
	"    give logs to whoever may read the pods: kubectl epilogue logs -f, an HTTP API, ZenML;",
	"    have metrics, alerts with runbooks and a dashboard.",
}
