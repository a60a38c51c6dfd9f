package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/cli/show"
)

const longVerify = `Check the archive against its manifests: every log object is read whole, its frames' checksums are checked, and its text
is counted and hashed. Without NAME the whole store is checked.

It needs the store itself, so --archive or EPILOGUE_ARCHIVE. It reads and changes nothing. Exit code 4 says that
something is damaged or gone; each is a line on standard output.`

func (p *program) verify() *cobra.Command {
	return &cobra.Command{
		Use: "verify [NAME]", Short: "Check stored logs against their manifests", Long: longVerify + "\n\n" + targetHelp,
		Example: `  # The whole archive
  kubectl epilogue verify --archive s3://bucket/prefix

  # One Job
  kubectl epilogue verify job/nightly-28390 --archive s3://bucket/prefix`,
		Args: takes(0, 1, "name"), ValidArgsFunction: p.targetNames,
		RunE: func(cmd *cobra.Command, args []string) error { return p.check(cmd.Context(), args) },
	}
}

func (p *program) check(ctx context.Context, args []string) error {
	reader, err := p.reader(ctx)
	if errors.Is(err, errNoStore) {
		return &useError{fmt.Errorf("verify reads all that is stored from the store itself, not through the daemon: %w", errNoStore)}
	}
	if err != nil {
		return err
	}
	var target *archive.Target
	if len(args) == 1 {
		namespace, err := p.namespace()
		if err != nil {
			return err
		}
		t, err := findTarget(ctx, reader, namespace, args[0])
		if err != nil {
			return err
		}
		target = &t
	}
	v := &verified{program: p, progress: p.bar("verify")}
	for c, err := range reader.Verify(ctx, target) {
		if err != nil {
			v.progress.Clear()
			return err
		}
		if err := v.add(&c); err != nil {
			return err
		}
	}
	return v.end()
}

// verified counts what was checked.
type verified struct {
	*program
	progress                 *show.Progress
	manifests, logs, damaged int
	bytes                    int64
	failure                  error // the first one of the store, after which something is not known
}

func (v *verified) add(c *read.Checked) error {
	v.bytes = c.Done
	if c.Record == nil {
		v.manifests++
	} else {
		v.logs++
	}
	if c.Err == nil {
		v.progress.At(v.now(), c.Done, c.Total)
		return nil
	}
	v.progress.Clear()
	if code := codeOf(c.Err); code != codeDamaged && code != codeNotFound {
		v.failure = c.Err
		v.warn("warning: %s could not be checked: %v", v.name(c), c.Err)
		return nil
	}
	v.damaged++
	_, err := fmt.Fprintln(v.Out, show.SafeLines(fmt.Sprintf("%s: %v", v.name(c), c.Err)))
	return err
}

func (v *verified) name(c *read.Checked) string {
	if c.Record == nil {
		return fmt.Sprintf("%s/%s: manifest", c.Pod.Namespace, c.Pod.Pod)
	}
	return c.Record.Instance.String()
}

func (v *verified) end() error {
	v.progress.Clear()
	v.warn("%d manifests and %d logs (%s) checked, %d damaged", v.manifests, v.logs, show.Bytes(v.bytes), v.damaged)
	switch {
	case v.damaged > 0:
		return errToldDamage
	case v.failure != nil:
		return fmt.Errorf("not all could be checked: %w", v.failure)
	default:
		return nil
	}
}
