package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
)

// output are the flags by which an answer becomes a table or a document.
type output struct {
	flags     *genericclioptions.PrintFlags
	words     []string // further words of -o that are no printer's
	noHeaders bool
}

func newOutput(words ...string) output {
	return output{flags: genericclioptions.NewPrintFlags(""), words: words}
}

func (o *output) add(cmd *cobra.Command) {
	o.flags.AddFlags(cmd)
	f := cmd.Flags()
	formats := append(slices.Clone(o.words), o.flags.AllowedFormats()...)
	f.Lookup("output").Usage = fmt.Sprintf("Output format, one of %q; a table without it", formats)
	// What is kept was written by nobody but us.
	_ = f.MarkHidden("show-managed-fields")
	f.BoolVar(&o.noHeaders, "no-headers", false, "Leave out the head of a table")
	complete(cmd, "output", formats...)
}

func (o *output) wide() bool { return *o.flags.OutputFormat == "wide" }

// printer returns nil for a table.
func (o *output) printer(out io.Writer) (*printer, error) {
	format := *o.flags.OutputFormat
	template := *o.flags.TemplatePrinterFlags.TemplateArgument
	if template == "" && (format == "" || slices.Contains(o.words, format)) {
		return nil, nil
	}
	to, err := o.flags.ToPrinter()
	if err != nil {
		return nil, &useError{err}
	}
	return &printer{out, to}, nil
}

// printer writes documents as Kubernetes objects, so that what kubectl's users know works on them.
type printer struct {
	out io.Writer
	to  printers.ResourcePrinter
}

func (p *printer) one(object map[string]any) error {
	return p.to.PrintObj(&unstructured.Unstructured{Object: object}, p.out)
}

func (p *printer) list(objects []map[string]any) error {
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
	for _, object := range objects {
		list.Items = append(list.Items, unstructured.Unstructured{Object: object})
	}
	return p.to.PrintObj(list, p.out)
}

const apiVersion = "epilogue.dev/v1"

// object returns a document as a Kubernetes object: all that the document says, and what makes it an object.
func object(kind, namespace, name string, made time.Time, document any) map[string]any {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // our own documents
	}
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil { // whole numbers stay whole
		panic(err)
	}
	o["apiVersion"], o["kind"] = apiVersion, kind
	metadata := map[string]any{"name": name, "namespace": namespace}
	if !made.IsZero() {
		metadata["creationTimestamp"] = made.UTC().Format(time.RFC3339)
	}
	o["metadata"] = metadata
	return o
}

func jobObjects(jobs []archive.KeptJob) []map[string]any {
	objects := make([]map[string]any, 0, len(jobs))
	for i := range jobs {
		job := &jobs[i]
		name := job.Job
		if name == "" {
			name = job.Pod
		}
		o := object("Job", job.Namespace, name, job.Document.Job.CreatedAt, &job.Document)
		o["finished"], o["open"] = job.Finished, job.Open
		if job.Document.WrittenAt.IsZero() { // there is no document yet, or the daemon tells what is in it
			delete(o, "writtenAt")
			delete(o, "version")
		}
		objects = append(objects, o)
	}
	return objects
}

func podObjects(pods []*archive.Manifest) []map[string]any {
	objects := make([]map[string]any, 0, len(pods))
	for _, m := range pods {
		objects = append(objects, object("Manifest", m.Pod.Namespace, m.Pod.Pod, m.Pod.CreatedAt, m))
	}
	return objects
}

func isDamage(err error) bool { return errors.Is(err, archive.ErrDamaged) }

func parseAgo(text string) (time.Duration, error) { return mark.ParseTTL(text) }

func parseTime(text string) (time.Time, error) { return mark.ParseTime(text) }
