package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cleanup"
)

const longRelease = `Let Jobs go that the gate holds: their finalizer is taken off, and that of their pods. Kubernetes then deletes what was
told to go, whether the logs are archived or not; of each Job is said which. The gate is not put on a released Job
again.

The daemon does this by itself once the logs are safe. This is for when it cannot: a store that is gone for good, a
daemon that will not come back. It needs the right to list and patch Jobs and pods.`

func (p *program) release() *cobra.Command {
	var all bool
	var dryRun string
	cmd := &cobra.Command{
		Use: "release [NAME...]", Short: "Let Jobs go that wait for their logs", Long: longRelease,
		Example: `  # What would be let go?
  kubectl epilogue release --all --dry-run

  # One Job
  kubectl epilogue release nightly-28390`,
		ValidArgsFunction: p.completion(p.keptNames),
		RunE: func(cmd *cobra.Command, names []string) error {
			switch {
			case all == (len(names) > 0):
				return wrongUse("want the names of Jobs, or --all")
			case dryRun != "none" && dryRun != "client":
				return wrongUse("--dry-run is %q, want none or client", dryRun)
			}
			return p.letGo(cmd.Context(), names, dryRun == "client")
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "Let every Job of the namespace go")
	cmd.Flags().StringVar(&dryRun, "dry-run", "none", "client: only say what would be done")
	cmd.Flags().Lookup("dry-run").NoOptDefVal = "client"
	complete(cmd, "dry-run", "none", "client")
	return cmd
}

// letGo lets the named Jobs go, or without names all.
func (p *program) letGo(ctx context.Context, names []string, dryRun bool) error {
	namespace, err := p.namespace()
	if err != nil {
		return err
	}
	jobs := make([]string, len(names))
	for i, name := range names {
		t, _, err := parseTarget(namespace, name)
		if err != nil {
			return err
		}
		if jobs[i] = t.Job; t.Job == "" {
			return wrongUse("%q is no Job, and it is Jobs that wait", name)
		}
	}
	client, err := p.client()
	if err != nil {
		return err
	}
	r := cleanup.NewReleaser(cleanup.ReleaseConfig{Namespace: namespace, DryRun: dryRun}, client, p.Out)
	if len(names) == 0 {
		n, err := r.All(ctx)
		if err == nil && n == 0 {
			p.warn("No Job of namespace %s waits.", namespace)
		}
		return err
	}
	var failed []error
	for _, job := range jobs {
		err := r.Job(ctx, job)
		if errors.Is(err, cleanup.ErrNoJob) {
			err = fmt.Errorf("%w (%w)", err, archive.ErrNotFound)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
