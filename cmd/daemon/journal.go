package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/journal/printer"
	"github.com/epilogue-dev/epilogue/config"
)

// journalCommand shows what stands in the journals, of dead replicas too. It reads the store by the daemon's own
// settings.
func journalCommand(source *config.Source) *cobra.Command {
	var output string
	journal := &cobra.Command{Use: "journal", Short: "Show the journals of the replicas, as they are in the store", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	journal.PersistentFlags().StringVarP(&output, "output", "o", "text", "text, or json: one document per line")

	newPrinter := func(cmd *cobra.Command) (p printer.Printer, err error) {
		if output != "text" && output != "json" {
			return p, fmt.Errorf(`--output: value %q: want text or json`, output)
		}
		cfg, err := load(source)
		if err != nil {
			return p, err
		}
		reader, err := journalReader(cmd.Context(), cfg)
		return printer.Printer{Reader: reader, Out: cmd.OutOrStdout(), JSON: output == "json"}, err
	}
	list := &cobra.Command{Use: "list [replica]", Short: "List the objects of the journals", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := newPrinter(cmd)
			if err != nil {
				return err
			}
			return p.List(cmd.Context(), append(args, "")[0])
		}}
	var log string
	dump := &cobra.Command{Use: "dump <replica>/<sequence>", Short: "Print an object's index and check its frames, or print a log's text in it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := archive.ParseJournalKey(args[0])
			if err != nil {
				return err
			}
			p, err := newPrinter(cmd)
			if err != nil {
				return err
			}
			if log == "" {
				return p.Dump(cmd.Context(), key)
			}
			name, err := printer.ParseName(log)
			if err != nil {
				return fmt.Errorf("--log: %w", err)
			}
			return p.Text(cmd.Context(), key, name)
		}}
	dump.Flags().StringVar(&log, "log", "", "print the lines of one log instead: <pod uid>/<container>.<restart>")
	journal.AddCommand(list, dump)
	return journal
}

func journalReader(ctx context.Context, cfg config.Config) (*journal.Reader, error) {
	store, err := openStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	codec, err := format.NewCodec()
	if err != nil {
		return nil, err
	}
	return journal.NewReader(store, codec), nil
}
