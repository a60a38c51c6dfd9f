package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/cli/remote"
	"github.com/epilogue-dev/epilogue/cli/show"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/stamp"
)

// program is what all commands share.
type program struct {
	genericiooptions.IOStreams
	version string
	kube    *genericclioptions.ConfigFlags
	place   *config.Source // where the archive is
	source  string         // auto, live or archive; "" of a command without the flag
	daemon  daemonFlags

	lookup   func(string) (string, bool) // os.LookupEnv
	now      func() time.Time
	terminal func(any) bool // whether a stream is a person's
	about    func() string  // stamp.About

	origin origin               // of tests; nil: what the flags say
	api    *remote.Client       // of tests; nil: what the flags say
	kubes  kubernetes.Interface // of tests; nil: what the kubeconfig says
}

func newProgram(streams genericiooptions.IOStreams, version string) *program {
	kube := genericclioptions.NewConfigFlags(true)
	kube.CacheDir = nil // nothing here asks what the API server has
	return &program{
		IOStreams: streams, version: version, kube: kube, lookup: os.LookupEnv, now: time.Now, terminal: isTerminal, about: stamp.About,
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Run runs the program with the arguments that follow its name and returns its exit code, see exitCodes. Errors are
// told on the streams' ErrOut.
func Run(ctx context.Context, streams genericiooptions.IOStreams, version string, args []string) int {
	return newProgram(streams, version).run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(args)
	err := p.explained(root.ExecuteContext(ctx))
	if err == nil {
		return codeOK
	}
	if text := told(err); text != "" {
		fmt.Fprintln(p.ErrOut, "error: "+show.SafeLines(text))
	}
	return codeOf(err)
}

const longRoot = `Shows the logs of Jobs that are long gone, and of those that still run.

Logs come from the Epilogue of the cluster, reached with nothing but the kubeconfig, or with --archive from the store
itself, also when the cluster is gone.`

// command makes the whole tree of commands.
func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-epilogue",
		Short:         "Logs that outlive their pods",
		Long:          longRoot,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl epilogue"},
		Version:       p.version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Args = unknownCommand
	root.SuggestionsMinimumDistance = 2
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.ErrOut)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return wrongUse("%w; see `%s --help`", err, cmd.CommandPath())
	})
	p.kube.AddFlags(root.PersistentFlags())
	p.place = config.BindArchive(root.PersistentFlags())
	p.daemon.add(root.PersistentFlags())
	root.AddCommand(
		p.logs(), p.list(), p.describe(), p.get(), p.download(), p.verify(), p.discover(), p.doctor(), p.release(), p.runJob(), p.buildImage(),
		p.queue(), p.cancel(), p.showVersion(),
	)
	p.completeGlobalFlags(root)
	return root
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%q is no command of %s", args[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return wrongUse("%s", text)
}

func (p *program) showVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program, and what it was built from", Args: takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.Out, "kubectl-epilogue", p.version, p.about())
			return err
		},
	}
}

// namespace is the one of the flags or of the kubeconfig's context.
func (p *program) namespace() (string, error) {
	name, _, err := p.kube.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	return name, nil
}

// warn tells a person something about the answer. It may hold a stranger's words.
func (p *program) warn(format string, args ...any) {
	fmt.Fprintln(p.ErrOut, show.SafeLines(fmt.Sprintf(format, args...)))
}

// color reports whether a stream gets colours, by the flag's word and by NO_COLOR (no-color.org).
func (p *program) color(word string, out io.Writer) (bool, error) {
	switch word {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		off, _ := p.lookup("NO_COLOR")
		dumb, _ := p.lookup("TERM")
		return off == "" && dumb != "dumb" && p.terminal(out), nil
	default:
		return false, wrongUse("--color is %q, want auto, always or never", word)
	}
}
