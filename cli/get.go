package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/show"
)

const exampleGet = `  # What is kept of a Job's containers
  kubectl epilogue get nightly-28390

  # Where the log objects are
  kubectl epilogue get nightly-28390 -o jsonpath='{.instances[*].log.key}{"\n"}'

  # A workload's manifests
  kubectl epilogue get workload/6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b -o yaml`

func (p *program) get() *cobra.Command {
	out := newOutput("wide")
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Show the manifests of a Job, a pod or a workload",
		Long: "Show the manifests of a Job, a pod or a workload: a table of its containers, or the documents themselves, which\n" +
			"docs/manifest.schema.json describes. Several are one List.\n\n" + targetHelp,
		Example: exampleGet, Args: takes(1, 1, "name"), ValidArgsFunction: p.targetNames,
	}
	out.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		print, err := out.printer(p.Out)
		if err != nil {
			return err
		}
		pods, err := p.pods(cmd.Context(), args[0])
		switch {
		case err != nil:
			return err
		case print == nil:
			return show.Instances(p.Out, pods, show.Columns{Wide: out.wide(), NoHeaders: out.noHeaders, Now: p.now()})
		case len(pods) == 1:
			return print.one(podObjects(pods)[0])
		default:
			return print.list(podObjects(pods))
		}
	}
	return cmd
}

// pods returns the manifests of what a user named.
func (p *program) pods(ctx context.Context, name string) ([]*archive.Manifest, error) {
	o, t, err := p.target(ctx, name)
	if err != nil {
		return nil, err
	}
	return podsOf(ctx, o, t)
}

// target opens what answers, and finds out what a user named.
func (p *program) target(ctx context.Context, name string) (origin, archive.Target, error) {
	namespace, err := p.namespace()
	if err != nil {
		return nil, archive.Target{}, err
	}
	o, err := p.open(ctx)
	if err != nil {
		return nil, archive.Target{}, err
	}
	t, err := findTarget(ctx, o, namespace, name)
	return o, t, err
}

const exampleDescribe = `  # Why did it fail?
  kubectl epilogue describe nightly-28390

  # One pod of it
  kubectl epilogue describe pod/nightly-28390-x7k2p`

func (p *program) describe() *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Aliases: []string{"post-mortem"}, Short: "Tell how a Job and its pods ended, and what is kept of their logs",
		Long: "Tell how a Job and its pods ended, and what is kept of their logs: the diagnosis, states and exit codes, gaps with\n" +
			"their reasons, and the Events that Kubernetes has long forgotten.\n\n" + targetHelp,
		Example: exampleDescribe, Args: takes(1, 1, "name"), ValidArgsFunction: p.targetNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, t, err := p.target(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return p.postMortem(cmd.Context(), o, t)
		},
	}
}

func (p *program) postMortem(ctx context.Context, o origin, t archive.Target) error {
	if t.Pod != "" {
		return p.describePod(ctx, o, archive.PodRef{Namespace: t.Namespace, Pod: t.Pod, PodUID: t.PodUID})
	}
	jobs, err := jobsOf(ctx, o, t)
	if err != nil {
		return err
	}
	for i := range jobs {
		if i > 0 {
			io.WriteString(p.Out, "\n\n") //nolint:errcheck // the next write says so
		}
		if err := p.describeJob(ctx, o, &jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) describeJob(ctx context.Context, o origin, job *archive.KeptJob) error {
	if err := show.Job(p.Out, job, p.now()); err != nil {
		return err
	}
	for _, pod := range job.Document.Pods {
		ref := job.PodRef
		ref.Pod, ref.PodUID = pod.Name, pod.UID
		if _, err := io.WriteString(p.Out, "\n"); err != nil {
			return err
		}
		if err := p.describePod(ctx, o, ref); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) describePod(ctx context.Context, o origin, ref archive.PodRef) error {
	m, sealed, err := o.Manifest(ctx, ref)
	if err != nil {
		return err
	}
	return show.Pod(p.Out, m, sealed, p.now())
}
