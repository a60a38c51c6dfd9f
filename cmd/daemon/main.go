// Command epilogue keeps the logs of short-lived Kubernetes Jobs. This package wires the parts together and holds no
// logic.
//
// Its exit codes are in exit.go and docs/operations.md.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // the image holds no certificates

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/process"
	"github.com/epilogue-dev/epilogue/stamp"
)

// version is set when the program is built.
var version = "dev"

func main() {
	err := command().Execute()
	if err != nil && !errors.Is(err, errTold) {
		fmt.Fprintln(os.Stderr, "epilogue:", err)
	}
	if err != nil {
		process.LastWords(exitCode(err), strings.TrimPrefix(err.Error(), errTold.Error()+": "))
	}
	os.Exit(exitCode(err))
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "epilogue",
		Short:         "Keeps the logs of short-lived Kubernetes Jobs",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	source := config.Bind(root.PersistentFlags())
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load(source)
		if err != nil {
			return err
		}
		log := process.Logger(cfg.Process, os.Stderr)
		process.TuneCollector(memlimit.FromCgroup, log)
		for _, line := range source.Unknown(os.Environ()) {
			log.Warn(line)
		}
		forget := process.GuardCrashes(version, cfg, log)
		defer forget()
		ctx, stop := process.Stopping(cmd.Context(), cfg.Process.ShutdownGrace, log)
		defer stop()
		if err := run(ctx, cfg, log); err != nil {
			log.Error("epilogue ends", "err", err, "exit_code", exitCode(err))
			return fmt.Errorf("%w: %w", errTold, err)
		}
		return nil
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errSettings, err) })
	root.AddCommand(
		releaseCommand(source), uninstallCommand(source),
		journalCommand(source),
		tryCommand(),
		&cobra.Command{
			Use: "config", Short: "Print the effective configuration and where each setting comes from", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := load(source)
				if err != nil {
					return err
				}
				return cfg.Print(cmd.OutOrStdout())
			},
		},
		&cobra.Command{
			Use: "version", Short: "Print the version, and what it was built from", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "epilogue", version, stamp.About())
				return err
			},
		},
	)
	return root
}

// load reads the settings. Every wrong one is a line on standard error.
func load(source *config.Source) (config.Config, error) {
	cfg, err := source.Load(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return cfg, fmt.Errorf("%w: %w: %w", errTold, errSettings, err)
	}
	return cfg, nil
}
