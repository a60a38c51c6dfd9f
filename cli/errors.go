package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/remote"
)

// The exit codes. They are an interface: docs/cli.md lists them from exitCodes.
const (
	codeOK       = 0
	codeFailed   = 1
	codeUse      = 2
	codeNotFound = 3
	codeDamaged  = 4
	codeUnwell   = 5
	codeJob      = 6
)

var exitCodes = []struct {
	code int
	when string
}{
	{codeOK, "done"},
	{codeFailed, "something failed: the store, the daemon or the cluster could not be reached, or refused"},
	{codeUse, "wrong use: an argument, a flag or a setting"},
	{codeNotFound, "nothing of that name is kept"},
	{codeDamaged, "stored bytes are damaged or gone: `verify` found it, or `logs` or `download` met it; what could be read was given"},
	{codeUnwell, "`doctor` found something that keeps Epilogue from its work"},
	{codeJob, "the Job that `run` or `build` waited for failed or was cancelled"},
}

// useError says that the command was called in a way that cannot be right.
type useError struct{ err error }

func (e *useError) Error() string { return e.err.Error() }
func (e *useError) Unwrap() error { return e.err }

func wrongUse(format string, args ...any) error { return &useError{fmt.Errorf(format, args...)} }

// errUnwell ends a doctor's visit that found something; what it is has been told.
var errUnwell = errors.New("not well")

// errJob ends the wait for a Job that did not succeed; why has been told.
var errJob = errors.New("the Job did not succeed")

// errToldDamage ends a command that met damage and has told where.
var errToldDamage = fmt.Errorf("told: %w", archive.ErrDamaged)

func codeOf(err error) int {
	var use *useError
	var query *archive.QueryError
	switch {
	case errors.Is(err, remote.ErrNoDaemon): // whatever the API server said
		return codeFailed
	case errors.As(err, &use), errors.As(err, &query), apierrors.IsBadRequest(err), apierrors.IsInvalid(err):
		return codeUse
	case errors.Is(err, archive.ErrNotFound), apierrors.IsNotFound(err):
		return codeNotFound
	case errors.Is(err, archive.ErrDamaged):
		return codeDamaged
	case errors.Is(err, errUnwell):
		return codeUnwell
	case errors.Is(err, errJob):
		return codeJob
	default:
		return codeFailed
	}
}

// told is the text that a person gets, "" where all was told already.
func told(err error) string {
	if errors.Is(err, errUnwell) || errors.Is(err, errJob) || errors.Is(err, errToldDamage) {
		return ""
	}
	if errors.Is(err, context.Canceled) {
		return "stopped"
	}
	return err.Error()
}

// takes wants that many arguments; what says which, "" where there are none.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return wrongUse("%s is missing; see `%s --help`", strings.ToUpper(what), cmd.CommandPath())
		case len(args) > most && most == 0:
			return wrongUse("%q is too much: this command takes no argument", args[0])
		case len(args) > most:
			return wrongUse("%q is too much: this command takes one %s", args[most], what)
		}
		return nil
	}
}
