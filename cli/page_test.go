package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/epilogue-dev/epilogue/golden"
)

const pageHead = `# kubectl epilogue

<!-- Generated from the commands. Do not edit: go test ./cli -run TestPage -update -->

The command line of Epilogue, a plugin of kubectl: put the program ` + "`kubectl-epilogue`" + ` anywhere on the ` + "`PATH`" + `. It works
without kubectl too, by its own name. Completion for ` + "`kubectl epilogue`" + ` needs ` + "`deploy/kubectl_complete-epilogue`" + ` on the
` + "`PATH`" + ` beside it; ` + "`kubectl-epilogue completion SHELL`" + ` completes the program's own name. k9s shows kept logs with
` + "`deploy/k9s-plugin.yaml`" + `.

## Exit codes

| code | when |
|---|---|
`

// TestPage generates docs/cli.md.
func TestPage(t *testing.T) { golden.Compare(t, "../docs/cli.md", page()) }

func page() []byte {
	root := newScreen().command()
	out := bytes.NewBufferString(pageHead)
	for _, e := range exitCodes {
		fmt.Fprintf(out, "| %d | %s |\n", e.code, e.when)
	}
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() && cmd.Name() != "help" && cmd.Name() != "completion" {
			describeCommand(out, cmd)
		}
	}
	out.WriteString("\n## Flags of every command\n\nThe flags by which kubectl is told which cluster, user and namespace to use work as in kubectl;\n" +
		"`kubectl epilogue --help` lists them. Besides them:\n\n")
	flagTable(out, root.PersistentFlags(), kubectlFlags())
	out.WriteString("\nThe archive's (`--archive`, `--s3-...`, `--store-timeout`) can be given in the environment too, as\n`EPILOGUE_ARCHIVE` for `--archive`; " +
		"the flag wins. Credentials of the store come from the AWS chain: `AWS_*` variables,\nprofiles, IRSA.\n")
	return out.Bytes()
}

func kubectlFlags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("kubectl", pflag.ContinueOnError)
	genericclioptions.NewConfigFlags(true).AddFlags(fs)
	return fs
}

func describeCommand(out *bytes.Buffer, cmd *cobra.Command) {
	fmt.Fprintf(out, "\n## %s\n\n", cmd.Name())
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(out, "    %s\n\n%s\n", cmd.UseLine(), text)
	if cmd.Example != "" {
		fmt.Fprintf(out, "\n```sh\n%s\n```\n", strings.TrimPrefix(strings.ReplaceAll(cmd.Example, "\n  ", "\n"), "  "))
	}
	if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
		out.WriteString("\n")
		flagTable(out, cmd.LocalNonPersistentFlags(), nil)
	}
}

func flagTable(out *bytes.Buffer, flags, without *pflag.FlagSet) {
	out.WriteString("| flag | default | what it does |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || without != nil && without.Lookup(f.Name) != nil {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			def = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", name, def, strings.ReplaceAll(f.Usage, "|", `\|`))
	})
}

// TestHelp compares the whole --help of each command: it is what most people read.
func TestHelp(t *testing.T) {
	for _, cmd := range append([]*cobra.Command{newScreen().command()}, newScreen().command().Commands()...) {
		c := newScreen()
		args := []string{cmd.Name(), "--help"}
		if !cmd.HasParent() {
			args = args[1:]
		}
		if code := c.run(t.Context(), args); code != codeOK || c.errOut.Len() > 0 {
			t.Errorf("%q: got exit code %d and %q", args, code, c.errOut)
		}
		text, _, found := strings.Cut(c.out.String(), "\nGlobal Flags:\n")
		if cmd.HasParent() && !found {
			t.Errorf("%q: got no global flags", args)
		}
		golden.Compare(t, "testdata/help-"+cmd.Name()+".txt", []byte(text))
	}
}
