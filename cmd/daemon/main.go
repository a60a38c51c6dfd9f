// Command epilogue keeps the logs of short-lived Kubernetes Jobs. This package wires the parts together and holds no logic.
//
// Exit codes: 0 after a stop that was asked for, 1 when something failed, 2 for wrong settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // the image holds no certificates

	"github.com/epilogue-dev/epilogue/config"
)

// version is set when the program is built.
var version = "dev"

// errSettings marks what the person who starts the program can mend.
var errSettings = errors.New("wrong settings")

func main() {
	err := command().Execute()
	switch {
	case err == nil:
	case errors.Is(err, errSettings):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "epilogue:", err)
		os.Exit(1)
	}
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
		log := logger(cfg.Process)
		for _, line := range source.Unknown(os.Environ()) {
			log.Warn(line)
		}
		ctx, stop := signals(cmd.Context())
		defer stop()
		return run(ctx, cfg, log)
	}
	root.AddCommand(
		releaseCommand(source), uninstallCommand(source),
		journalCommand(source),
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
			Use: "version", Short: "Print the version", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "epilogue", version)
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
		return cfg, errSettings
	}
	return cfg, nil
}

func logger(p config.Process) *slog.Logger {
	options := &slog.HandlerOptions{Level: p.LogLevel}
	if p.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}

// signals gives a context that ends with the first signal. The second one finds the default action again and ends the
// process at once, which is safe at every line of this program.
func signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
