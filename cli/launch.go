package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/remote"
	"github.com/epilogue-dev/epilogue/cli/show"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// launching is one call of `run` or `build`.
type launching struct {
	*program
	workload, requestID, timeout string
	follow, wait                 bool
}

func (l *launching) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.workload, "workload", "", "Id of the workload that the Job is for; a new one without it")
	f.StringVar(&l.requestID, "request-id", "", "Name of this request: sent twice it makes one Job; a new one without it")
	f.StringVar(&l.timeout, "timeout", "", "How long the Job may run, such as 30m; the daemon's own setting without it")
	f.BoolVarP(&l.follow, "follow", "f", false, "Print the Job's log as it comes, and wait for the Job's end")
	f.BoolVar(&l.wait, "wait", false, "Wait for the Job's end")
}

// complete fills in what was not given, and returns the timeout in seconds.
func (l *launching) complete() (seconds int64, err error) {
	if l.workload == "" {
		l.workload = string(uuid.NewUUID())
	}
	if l.requestID == "" {
		l.requestID = string(uuid.NewUUID())
	}
	if l.timeout == "" {
		return 0, nil
	}
	d, err := mark.ParseTTL(l.timeout)
	if err != nil || d < time.Second {
		return 0, wrongUse("--timeout is %q, want a duration of a second or more, such as 30m", l.timeout)
	}
	return int64(d / time.Second), nil
}

const longRun = `Launch a runner Job as ZenML would: the daemon makes it, puts it into the queue where all slots are taken, and keeps its
log.

What follows -- is the command; without it the image's own is run. Values of --env are not shown anywhere, but a shell
may remember them: --env NAME alone takes the value from this program's environment.`

func (p *program) runJob() *cobra.Command {
	l := &launching{program: p}
	var image string
	var env []string
	cmd := &cobra.Command{
		Use: "run [flags] [-- COMMAND [ARGUMENT...]]", Short: "Launch a runner Job", Long: longRun,
		Example: `  # Launch, print the log as it comes, and exit with 6 if the Job fails
  kubectl epilogue run -f --image registry.example.com/zenml:0.93 --env ZENML_STORE_API_TOKEN -- python -m pipeline`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, command []string) error {
			seconds, err := l.complete()
			if err != nil {
				return err
			}
			vars, err := p.environment(env)
			if err != nil {
				return err
			}
			request := &wire.Run{Image: image, Command: command, Environment: vars, Timeout: seconds, RequestID: l.requestID}
			return l.launch(cmd.Context(), func(c *remote.Client, namespace string) (*wire.Accepted, error) {
				return c.Start(cmd.Context(), namespace, l.workload, request)
			})
		},
	}
	l.flags(cmd)
	cmd.Flags().StringVar(&image, "image", "", "Image to run; the daemon's own setting without it")
	cmd.Flags().StringArrayVarP(&env, "env", "e", nil, "Variable of the container, as NAME=VALUE, or as NAME with the value that it has here")
	return cmd
}

// environment reads --env. An error names the variable and never the value.
func (p *program) environment(given []string) (map[string]string, error) {
	vars := map[string]string{}
	for _, text := range given {
		name, value, found := strings.Cut(text, "=")
		if name == "" {
			return nil, wrongUse("--env has no name before its =, want NAME=VALUE or NAME")
		}
		if !found {
			var set bool
			if value, set = p.lookup(name); !set {
				return nil, wrongUse("--env names %s, which is not set here; want NAME=VALUE, or a variable that is set", name)
			}
		}
		vars[name] = value
	}
	return vars, nil
}

const longBuild = `Launch a builder Job that builds an image and pushes it to the daemon's registry. Where the tag is there already nothing
is built.`

func (p *program) buildImage() *cobra.Command {
	l := &launching{program: p}
	var file, image string
	cmd := &cobra.Command{
		Use: "build --image-name NAME:TAG [--dockerfile FILE]", Short: "Launch a builder Job", Long: longBuild, Args: takes(0, 0, ""),
		Example: `  # Build, and print what the builder says
  kubectl epilogue build -f --image-name zenml-runner:4b7c1 --dockerfile Dockerfile`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			seconds, err := l.complete()
			if err != nil {
				return err
			}
			if image == "" {
				return wrongUse("--image-name is missing, want what to call the image, such as zenml-runner:4b7c1")
			}
			text, err := p.read(file)
			if err != nil {
				return err
			}
			request := &wire.Build{Dockerfile: text, ImageName: image, Timeout: seconds, RequestID: l.requestID}
			return l.launch(cmd.Context(), func(c *remote.Client, namespace string) (*wire.Accepted, error) {
				return c.Build(cmd.Context(), namespace, l.workload, request)
			})
		},
	}
	l.flags(cmd)
	cmd.Flags().StringVar(&file, "dockerfile", "Dockerfile", "File with the image's instructions; - is standard input")
	cmd.Flags().StringVar(&image, "image-name", "", "Name and tag of the image, below the daemon's registry")
	return cmd
}

func (p *program) read(file string) (string, error) {
	const most = 1 << 20 // what a Job can hold
	in := p.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read Dockerfile: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read Dockerfile: %w", err)
	case len(text) > most:
		return "", wrongUse("--dockerfile %s is larger than %s", file, show.Bytes(most))
	default:
		return string(text), nil
	}
}

// launch sends the request and does what is to be done then.
func (l *launching) launch(ctx context.Context, send func(*remote.Client, string) (*wire.Accepted, error)) error {
	namespace, err := l.namespace()
	if err != nil {
		return err
	}
	client, err := l.remote()
	if err != nil {
		return err
	}
	defer client.Close()
	job, err := send(client, namespace)
	if err != nil {
		return err
	}
	if job.Name == "" {
		_, err := fmt.Fprintf(l.Out, "image %s is there already\n", show.Safe(job.Image))
		return err
	}
	said := l.Out
	if l.follow {
		said = l.ErrOut // the log has standard output
	}
	fmt.Fprintf(said, "job/%s launched for workload %s\n", show.Safe(job.Name), show.Safe(l.workload))
	if !l.follow && !l.wait {
		return nil
	}
	return l.await(ctx, client, namespace, job.Name)
}

// The log of a Job is there once its first container has started; before that the daemon is asked how the Job stands,
// which waits there and not here.
const (
	look = 5 * time.Second
	stay = 5 * time.Minute
)

// await prints the log, if that is wanted, and waits for the Job's end.
func (l *launching) await(ctx context.Context, client *remote.Client, namespace, name string) error {
	printed, now := !l.follow, &wire.Launched{}
	for told := ""; !printed || !now.Over(); {
		if !printed {
			log := &logging{program: l.program, follow: true, form: show.FormText, colors: "auto", tail: -1}
			if err := log.complete(); err != nil {
				return err
			}
			log.query.Target = archive.Target{Namespace: namespace, Job: name}
			err := log.print(ctx, client)
			if err != nil && !errors.Is(err, archive.ErrNotFound) {
				return err
			}
			printed = err == nil || now.Over()
		}
		most := stay
		if !printed {
			most = look
		}
		var err error
		if now, err = client.Await(ctx, namespace, l.workload, name, most); err != nil {
			return err
		}
		if word := standing(now); word != told && !now.Over() {
			l.warn("job/%s is %s", now.Name, word)
			told = word
		}
	}
	if now.Lost() {
		l.warn("job/%s %s%s", now.Name, now.State, reasonOf(now))
		return errJob
	}
	l.warn("job/%s succeeded", now.Name)
	return nil
}

func standing(job *wire.Launched) string {
	if job.Position > 0 {
		return fmt.Sprintf("%s, at place %d", job.State, job.Position)
	}
	return job.State
}

func reasonOf(job *wire.Launched) string {
	if job.Reason == "" {
		return ""
	}
	return ": " + job.Reason
}
