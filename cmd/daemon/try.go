package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	_ "k8s.io/client-go/plugin/pkg/client/auth"

	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/process"
	"github.com/epilogue-dev/epilogue/try"
)

// trial is what `epilogue try` was told.
type trial struct {
	source  *config.Source
	context string // of the kubeconfig
	lines   string
	last    time.Duration
	idle    bool
}

const tryLong = `Archives the Jobs of a namespace into a folder, and shows them, their lines and their verdicts as they come. It needs a
kubeconfig whose user may read pods, their logs, Jobs and Events of the namespace, and nothing else: no S3, no
installation. It writes nothing in the cluster; it sends no request but to get, list and watch. Pods that have ended and
are still there are archived at once.

Settings come from these flags alone, not from EPILOGUE_* variables. Ctrl-C ends it, with exit code 0; what is open then
is in the folder, too, and the next trial there goes on with it. The other exit codes are the daemon's.`

const tryExample = `  # The namespace of the kubeconfig's context, into ./epilogue-archive, until Ctrl-C
  epilogue try

  # All that is there now and still runs, and then an end
  epilogue try --namespace zenml-workload-manager --until-idle`

// tryUsage leaves out the daemon's settings, which a trial does not take.
const tryUsage = `Usage:
  {{.UseLine}}

Examples:
{{.Example}}

Flags:
{{.LocalNonPersistentFlags.FlagUsages | trimTrailingWhitespaces}}
`

func tryCommand() *cobra.Command {
	t := &trial{}
	cmd := &cobra.Command{
		Use: "try", Short: "Archive and show the Jobs of a namespace, and write nothing in the cluster", Long: tryLong, Example: tryExample,
		Args: cobra.NoArgs, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd) },
	}
	cmd.SetUsageTemplate(tryUsage)
	f := cmd.Flags()
	t.source = config.BindTry(f)
	f.StringVar(&t.context, "context", "", "Context of the kubeconfig; without one its current context.")
	f.StringVar(&t.lines, "lines", try.LinesNew, "Whose lines are shown: new means all but those of pods that had ended before; all, or none. All are archived.")
	f.DurationVar(&t.last, "for", 0, "End after so long, such as 10m; without it the trial goes on until Ctrl-C.")
	f.BoolVar(&t.idle, "until-idle", false, "End once every Job has ended, or is suspended, and is archived.")
	return cmd
}

// settings reads the flags. Every wrong one is a line on standard error.
func (t *trial) settings(cmd *cobra.Command) (config.Config, error) {
	var wrong []error
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			wrong = append(wrong, fmt.Errorf("--%s: value %q: want no setting of the daemon here; `epilogue try --help` lists what a trial takes", f.Name, f.Value))
		}
	})
	if known := []string{try.LinesNew, try.LinesAll, try.LinesNone}; !slices.Contains(known, t.lines) {
		wrong = append(wrong, fmt.Errorf("--lines: value %q: want %s", t.lines, strings.Join(known, ", ")))
	}
	if cmd.Flags().Changed("for") && t.last <= 0 {
		wrong = append(wrong, fmt.Errorf("--for: value %q: want a duration above 0, such as 10m", t.last))
	}
	cfg, err := t.source.LoadTry()
	if err = errors.Join(append(wrong, err)...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return cfg, fmt.Errorf("%w: %w: %w", errTold, errSettings, err)
	}
	return cfg, nil
}

// run looks before it makes anything: a cluster that cannot be tried leaves no folder behind.
func (t *trial) run(cmd *cobra.Command) error {
	cfg, err := t.settings(cmd)
	if err != nil {
		return err
	}
	place, err := try.Find(try.Wanted{Kubeconfig: cfg.Kubernetes.Kubeconfig, Context: t.context, Namespace: cfg.Kubernetes.Namespace})
	if err != nil {
		return fmt.Errorf("%w: %w", errSettings, err)
	}
	cfg.Kubernetes.Namespace = place.Namespace
	place.Config.UserAgent = "epilogue/" + version
	if err := reach(cmd.Context(), place); err != nil {
		return err
	}
	folder, err := try.OpenFolder(cfg.Archive.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	defer folder.Close()
	cfg.Spool.Dir = folder.Spool()
	screen := newScreen(cmd.OutOrStdout())
	log, closeLog, err := tryLog(cfg, folder, screen)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	defer closeLog()
	process.TuneCollector(memlimit.FromCgroup, log)
	defer process.GuardCrashes(version, cfg, log)()
	ctx, stop := process.Stopping(cmd.Context(), cfg.Process.ShutdownGrace, log)
	defer stop()
	return t.keep(ctx, cfg, place, try.Parts{Screen: screen, Folder: folder}, log)
}

// reach looks at the cluster over a client that nothing else uses.
func reach(ctx context.Context, place try.Place) error {
	client, err := kubernetesClient(place.Config)
	if err != nil {
		return err
	}
	err = place.Reach(ctx, client.Discovery().RESTClient())
	switch {
	case errors.Is(err, try.ErrRights):
		return fmt.Errorf("%w: %w", errRights, err)
	case errors.Is(err, try.ErrNamespace):
		return fmt.Errorf("%w: %w", errSettings, err)
	default:
		return err
	}
}

// keep wires the parts of the daemon that keep logs, and no other, to the screen.
func (t *trial) keep(ctx context.Context, cfg config.Config, place try.Place, with try.Parts, log *slog.Logger) error {
	store, err := dir.Open(ctx, cfg.Archive.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	p, err := keeping(cfg, place.Config, store, log)
	if err != nil {
		return err
	}
	with.Watcher, with.Spool, with.Sealer, with.Journal = p.watcher, p.spool, p.sealer, p.journal
	with.Reader = read.New(find.Config{
		Store: p.store, Codec: p.codec, Spool: p.spool, Replica: cfg.Replica.Called(), Poll: cfg.Replica.JournalInterval,
	})
	with.File = store.File
	return try.Run(ctx, try.Config{
		Namespace: cfg.Kubernetes.Namespace, Server: place.Config.Host, Selector: cfg.Kubernetes.Selector,
		Lines: t.lines, For: t.last, UntilIdle: t.idle,
	}, with)
}

// newScreen: colours only for a person who wants them (no-color.org).
func newScreen(out io.Writer) *try.Screen {
	f, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	return try.NewScreen(out, terminal, terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// tryLog sends the log of the program into a file, and its errors to the screen besides.
func tryLog(cfg config.Config, folder *try.Folder, screen *try.Screen) (*slog.Logger, func(), error) {
	file, err := folder.OpenLog()
	if err != nil {
		return nil, nil, err
	}
	log := process.Install(try.Loud(process.Handler(cfg.Process, file), screen))
	return log, func() { file.Close() }, nil // nothing can be done about it
}
