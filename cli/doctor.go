package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/cli/doctor"
	"github.com/epilogue-dev/epilogue/cli/show"
)

const longDoctor = `Look for what keeps Epilogue from its work: rights that you or the daemon lack, a daemon that is not ready, Jobs that
hang on the gate, clocks that differ and, where --archive names it, a store that cannot do what is needed. Each finding
says what to do about it.

Nothing is changed, but that a check of the store puts a few bytes under v1/_probe/ and removes them. Exit code 5 says
that something does not work.`

func (p *program) doctor() *cobra.Command {
	cfg := doctor.Config{Version: p.version}
	return &cobra.Command{
		Use: "doctor", Short: "Look for what keeps Epilogue from its work", Long: longDoctor,
		Example: `  # The daemon that keeps the Jobs of a namespace
  kubectl epilogue doctor -n zenml-workload-manager

  # Its store too
  kubectl epilogue doctor -n zenml-workload-manager --archive s3://bucket/prefix`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.visit(cmd.Context(), cfg) },
	}
}

func (p *program) visit(ctx context.Context, cfg doctor.Config) error {
	var err error
	if cfg.Namespace, err = p.namespace(); err != nil {
		return err
	}
	if cfg.REST, err = p.restConfig(); err != nil {
		return err
	}
	if cfg.Client, err = p.client(); err != nil {
		return err
	}
	if cfg.Store, err = p.store(ctx); err != nil {
		return err
	}
	if err := p.daemon.environment(p.lookup); err != nil {
		return err
	}
	cfg.Daemon, cfg.Name, cfg.Now = p.daemon.namespace, p.daemon.name, p.now
	bad := false
	err = doctor.Visit(ctx, cfg, func(f doctor.Finding) {
		bad = bad || f.Level == doctor.Bad
		fmt.Fprintf(p.Out, "%-4s  %s\n", f.Level, show.SafeLines(f.What))
		if f.Do != "" && f.Do != "nothing" {
			fmt.Fprintf(p.Out, "      -> %s\n", show.SafeLines(f.Do))
		}
	})
	if err == nil && bad {
		return errUnwell
	}
	return err
}
