package main

import (
	"errors"

	"github.com/epilogue-dev/epilogue/process"
)

// What ends the program, for its exit code. Everything else that fails is exitFailed.
var (
	errSettings = errors.New("wrong settings")
	errRights   = errors.New("missing rights in the cluster")
	errStore    = errors.New("archive or spool cannot be opened")
	errTold     = errors.New("told before") // beside the others: it is on standard error already
)

// The exit codes. 2 is the runtime's own, after a panic; a process that is killed from outside has 128 and the signal's
// number.
const (
	exitFailed   = 1
	exitCrash    = 2
	exitSettings = 3
	exitRights   = 4
	exitStore    = 5
	exitLate     = process.ExitLate
	exitSignal   = process.ExitSignal // plus the number of the signal
)

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSettings):
		return exitSettings
	case errors.Is(err, errRights):
		return exitRights
	case errors.Is(err, errStore):
		return exitStore
	default:
		return exitFailed
	}
}
