package show

import (
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/cli-runtime/pkg/printers"

	"github.com/epilogue-dev/epilogue/archive"
)

// Columns says what a table shows.
type Columns struct {
	Namespace bool // as first column
	Wide      bool
	NoHeaders bool
	Now       time.Time
}

// Table writes rows under each other. It is the one writer of tables: names, ids, images, reasons, most of what stands
// in them a stranger wrote, so it makes every cell safe for a terminal.
type Table struct{ to flusher }

type flusher interface {
	io.Writer
	Flush() error
}

// NewTable begins a table. Nothing is written before Flush.
func NewTable(out io.Writer) *Table { return &Table{printers.GetNewTabWriter(out)} }

// Row writes one row.
func (t *Table) Row(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.to, "\t") // Flush tells what fails
		}
		fmt.Fprint(t.to, Safe(cell))
	}
	fmt.Fprintln(t.to)
}

// Flush writes what there is.
func (t *Table) Flush() error { return t.to.Flush() }

// table is one with columns that are left out or not.
type table struct {
	*Table
	cols Columns
}

func (c Columns) table(out io.Writer, head string) *table {
	t := &table{NewTable(out), c}
	if !c.NoHeaders {
		t.row("NAMESPACE", strings.Split(head, ",")...)
	}
	return t
}

func (t *table) row(namespace string, cells ...string) {
	if t.cols.Namespace {
		cells = append([]string{namespace}, cells...)
	}
	t.Row(cells...)
}

// Jobs writes a table of Jobs.
func Jobs(out io.Writer, jobs []archive.KeptJob, cols Columns) error {
	head := "NAME,STATUS,VERDICT,PODS,AGE"
	if cols.Wide {
		head += ",WORKLOADS,DIAGNOSIS"
	}
	t := cols.table(out, head)
	for i := range jobs {
		job := &jobs[i]
		d := &job.Document
		cells := []string{jobName(job), JobStatus(&d.Job), proof(job), fmt.Sprint(len(d.Pods)), age(cols.Now, d.Job.CreatedAt)}
		if cols.Wide {
			cells = append(cells, orNone(strings.Join(d.Workloads, ",")), orNone(lastDiagnosis(d)))
		}
		t.row(job.Namespace, cells...)
	}
	return t.Flush()
}

// jobName is the Job's name; of a pod without a Job it is pod/NAME.
func jobName(job *archive.KeptJob) string {
	if job.Job == "" {
		return "pod/" + job.Pod
	}
	return job.Job
}

// Verdicts are those on all logs of a Job; a pod that is not sealed counts as an open log.
func Verdicts(job *archive.KeptJob) (all []archive.Verdict) {
	for _, pod := range job.Document.Pods {
		all = append(all, pod.Verdicts...)
	}
	if job.Open {
		all = append(all, "")
	}
	return all
}

// proof is the worst of a Job's verdicts, with the seams of all its logs.
func proof(job *archive.KeptJob) string {
	var seams int64
	for _, pod := range job.Document.Pods {
		seams += pod.Seams
	}
	return Proof(Worst(Verdicts(job)), seams)
}

func lastDiagnosis(d *archive.JobDocument) string {
	if len(d.Pods) == 0 {
		return ""
	}
	return d.Pods[len(d.Pods)-1].Diagnosis
}

// Instances writes a table of what is kept of pods.
func Instances(out io.Writer, pods []*archive.Manifest, cols Columns) error {
	head := "POD,CONTAINER,RESTART,EXIT,VERDICT,LINES,SIZE,AGE"
	if cols.Wide {
		head += ",STORED,KEY,REASON"
	}
	t := cols.table(out, head)
	for _, pod := range pods {
		for i := range pod.Instances {
			r := &pod.Instances[i]
			t.row(r.Namespace, instanceCells(r, cols)...)
		}
	}
	return t.Flush()
}

func instanceCells(r *archive.InstanceRecord, cols Columns) []string {
	lines, size, stored, key := "-", "-", "-", "-"
	if r.Log != nil {
		lines, size, stored, key = fmt.Sprint(r.Log.Lines), Bytes(r.Log.Bytes), Bytes(r.Log.Size), string(r.Log.Key)
	}
	cells := []string{
		r.Pod, r.Container, fmt.Sprint(r.Restart), exit(&r.State), Proof(verdict(r.Verdict), r.Seams), lines, size, age(cols.Now, r.State.StartedAt),
	}
	if cols.Wide {
		cells = append(cells, stored, key, orNone(r.Reason))
	}
	return cells
}

func exit(s *archive.ContainerState) string {
	if s.ExitCode == nil {
		return "-"
	}
	return fmt.Sprint(*s.ExitCode)
}
