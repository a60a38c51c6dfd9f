package process

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The exit codes of a process that did not end by itself.
const (
	ExitLate   = 6
	ExitSignal = 128 // plus the number of the signal
)

// end ends the process here.
func end(code int, reason string) {
	LastWords(code, reason)
	os.Exit(code)
}

// Stopping returns a context that ends with the first SIGINT or SIGTERM. From then on a second one ends the process,
// and so does the end of the grace: that is safe at every line of this program, and what the last journal lacks then is
// read again by whoever takes over once the Lease has lapsed. The signals are taken by us, not left to the system: it
// gives their default action to no process that is the first of its container.
func Stopping(ctx context.Context, grace time.Duration, log *slog.Logger) (context.Context, context.CancelFunc) {
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
			end(ExitSignal+int(second.(syscall.Signal)), "aborted by a second signal")
		case <-time.After(grace):
			log.Error("not stopped within shutdown-grace; another replica takes over when the Lease has lapsed", "grace", grace)
			end(ExitLate, "not stopped within shutdown-grace, "+grace.String())
		}
	}()
	return ctx, cancel
}
