package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// What ends the program, for its exit code. Everything else that fails is exitFailed.
var (
	errSettings = errors.New("wrong settings")
	errRights   = errors.New("missing rights in the cluster")
	errStore    = errors.New("archive or spool cannot be opened")
	errTold     = errors.New("told before") // beside the others: it is on standard error already
)

// The exit codes. 2 is the runtime's own, after a panic; a process that is killed from outside has 128 and the signal's number.
const (
	exitFailed   = 1
	exitCrash    = 2
	exitSettings = 3
	exitRights   = 4
	exitStore    = 5
	exitLate     = 6
	exitSignal   = 128 // plus the number of the signal
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

// end ends the process here.
func end(code int, reason string) {
	lastWords(code, reason)
	os.Exit(code)
}

// stopping gives a context that ends with the first SIGINT or SIGTERM. From then on a second one ends the process, and so does
// the end of the grace: that is safe at every line of this program, and what the last journal lacks then is read again by
// whoever takes over once the Lease has lapsed. The signals are taken by us, not left to the system: it gives their default action
// to no process that is the first of its container.
func stopping(ctx context.Context, grace time.Duration, log *slog.Logger) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		first := <-signals
		log.Info("stop", "signal", first.String(), "grace", grace)
		cancel()
		select {
		case second := <-signals:
			log.Warn("aborted by a second signal", "signal", second.String())
			end(exitSignal+int(second.(syscall.Signal)), "aborted by a second signal")
		case <-time.After(grace):
			log.Error("not stopped within shutdown-grace; another replica takes over when the Lease has lapsed", "grace", grace)
			end(exitLate, "not stopped within shutdown-grace, "+grace.String())
		}
	}()
	return ctx, cancel
}
