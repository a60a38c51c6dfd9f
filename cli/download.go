package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

// objects gives log objects as they are stored: archive.Reader, or the daemon.
type objects interface {
	// Object opens a whole log object. The caller closes it.
	Object(ctx context.Context, key archive.Key, part archive.Range) (io.ReadCloser, archive.Object, error)
}

// downloading is one call of `download`.
type downloading struct {
	*program
	dir        string
	compressed bool

	origin   origin
	root     *os.Root // the directory: nothing is written outside of it, whatever a manifest says
	progress *show.Progress
	done     int64 // bytes of text or of objects
	total    int64
	damaged  bool
}

const longDownload = `Write the logs of a Job, a pod or a workload into files, with their manifests:

    DIR/NAMESPACE/JOB/POD/CONTAINER.RESTART.log
    DIR/NAMESPACE/JOB/POD/manifest.json

Each text is compared with the SHA-256 of its manifest. With --compressed files are the log objects as they are stored
(.log.zst), which zstd -dc reads; they hold the times of lines, too. A file appears whole or not at all, and replaces
one of the same name. A log that is still open is written as far as it goes.`

func (p *program) download() *cobra.Command {
	d := &downloading{program: p}
	cmd := &cobra.Command{
		Use: "download NAME", Short: "Write logs and manifests into files",
		Long: longDownload + "\n\n" + targetHelp, Args: takes(1, 1, "name"), ValidArgsFunction: p.targetNames,
		Example: `  # All that is kept of a Job
  kubectl epilogue download nightly-28390 -d /tmp/nightly`,
		RunE: func(cmd *cobra.Command, args []string) error { return d.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVarP(&d.dir, "directory", "d", ".", "Directory to write into; it is made where it is not there")
	cmd.Flags().BoolVar(&d.compressed, "compressed", false, "Write log objects as they are stored")
	return cmd
}

func (d *downloading) run(ctx context.Context, name string) error {
	o, t, err := d.target(ctx, name)
	if err != nil {
		return err
	}
	pods, err := podsOf(ctx, o, t)
	if err != nil {
		return err
	}
	d.origin, d.progress = o, d.bar("download")
	defer d.progress.Clear()
	return d.into(ctx, pods)
}

// into writes all that there is of some pods into the directory.
func (d *downloading) into(ctx context.Context, pods []*archive.Manifest) (err error) {
	if err := os.MkdirAll(d.dir, 0o777); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if d.root, err = os.OpenRoot(d.dir); err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer d.root.Close()
	for _, m := range pods {
		for i := range m.Instances {
			if log := m.Instances[i].Log; log != nil {
				d.total += d.sizeOf(log)
			}
		}
	}
	for _, m := range pods {
		if err := d.pod(ctx, m); err != nil {
			return err
		}
	}
	if d.damaged {
		return errToldDamage
	}
	return nil
}

// bar returns a progress for people, and none for pipes.
func (p *program) bar(what string) *show.Progress {
	if !p.terminal(p.ErrOut) {
		return &show.Progress{}
	}
	return show.NewProgress(p.ErrOut, what)
}

func (d *downloading) sizeOf(log *archive.LogRecord) int64 {
	if d.compressed {
		return log.Size
	}
	return log.Bytes
}

// pod writes what there is of a pod. The names in its manifest come from objects that a stranger made: where one is no
// name of a file the pod is told and left out, so that it keeps nobody from the others.
func (d *downloading) pod(ctx context.Context, m *archive.Manifest) error {
	job := m.Pod.Job
	if job == "" {
		job = "_pod"
	}
	names := []string{m.Pod.Namespace, job, m.Pod.Pod}
	for i := range m.Instances {
		names = append(names, m.Instances[i].Container)
	}
	for _, name := range names {
		if !fileName(name) {
			d.progress.Clear()
			d.warn("pod %q: its manifest has the name %q, which no file can have; it is left out", m.Pod.Pod, name)
			d.damaged = true
			return nil
		}
	}
	dir := filepath.Join(names[:3]...)
	if err := d.root.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	for i := range m.Instances {
		if err := d.instance(ctx, dir, &m.Instances[i]); err != nil {
			return err
		}
	}
	return d.file(filepath.Join(dir, archive.ManifestFile), func(w io.Writer) error {
		text, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	})
}

// fileName: the name is one part of a path, on any system, and harmless where it is printed.
func fileName(name string) bool {
	return filepath.IsLocal(name) && name != "." && show.Safe(name) == name && !strings.ContainsAny(name, `/\:`)
}

// instance writes one log. Of one without lines there is no file; the manifest says why.
func (d *downloading) instance(ctx context.Context, dir string, r *archive.InstanceRecord) error {
	path := filepath.Join(dir, fmt.Sprintf("%s.%d.log", r.Container, r.Restart))
	switch {
	case r.Log == nil && r.Verdict != "":
		return nil
	case r.Log == nil && d.compressed:
		d.warn("%s: is still open, and has no log object yet", show.Name(&r.Instance))
		return nil
	case d.compressed:
		return d.file(path+".zst", func(w io.Writer) error { return d.object(ctx, r, w) })
	default:
		return d.file(path, func(w io.Writer) error { return d.text(ctx, r, w) })
	}
}

// file writes a file under another name and renames it, so that half of one is never there under its own.
func (d *downloading) file(path string, write func(io.Writer) error) error {
	whole := filepath.Join(d.dir, path)
	half := filepath.Join(filepath.Dir(path), ".download-"+rand.Text())
	f, err := d.root.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", whole, err)
	}
	defer func() { _ = d.root.Remove(half) }() // gone already where all went well
	err = write(f)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = d.root.Chmod(half, 0o644) // whatever the umask is
	}
	if err == nil {
		err = d.root.Rename(half, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", whole, err)
	}
	d.progress.Clear()
	_, err = fmt.Fprintln(d.Out, whole)
	return err
}

func (d *downloading) object(ctx context.Context, r *archive.InstanceRecord, w io.Writer) error {
	from, ok := d.origin.(objects)
	if !ok {
		return fmt.Errorf("log objects come from the archive alone: %w", errNoStore)
	}
	body, o, err := from.Object(ctx, r.Log.Key, archive.Range{})
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(io.MultiWriter(w, counting(d.count)), body)
	if err == nil && (n != r.Log.Size || o.Size != r.Log.Size) {
		err = fmt.Errorf("%s has %d bytes, its manifest says %d: %w", r.Log.Key, n, r.Log.Size, archive.ErrDamaged)
	}
	return err
}

// text writes a log's text. What is damaged in it is told, and left out.
func (d *downloading) text(ctx context.Context, r *archive.InstanceRecord, w io.Writer) error {
	answer, err := d.origin.Read(ctx, archive.Query{
		Target:     r.Target(),
		Containers: []string{r.Container}, Restart: &r.Restart,
	})
	if err != nil {
		return err
	}
	sum := sha256.New()
	l := &logging{program: d.program}
	out := &logOut{logging: l, lines: show.NewLines(io.MultiWriter(w, sum, counting(d.count)), show.LineStyle{Form: show.FormRaw})}
	err = out.each(answer, out.lines.Line)
	if err == nil {
		err = out.lines.Close()
	}
	d.damaged = d.damaged || out.damaged
	if err != nil || r.Log == nil || out.damaged {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != r.Log.SHA256 {
		return fmt.Errorf("the text of %s has the SHA-256 %s, its manifest says %s: %w", r.Log.Key, got, r.Log.SHA256, archive.ErrDamaged)
	}
	return nil
}

func (d *downloading) count(n int) {
	d.done += int64(n)
	d.progress.At(d.now(), d.done, d.total)
}

// counting is a writer that only counts.
type counting func(n int)

func (c counting) Write(b []byte) (int, error) {
	c(len(b))
	return len(b), nil
}
