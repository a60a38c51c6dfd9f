package process

import (
	"io"
	"log/slog"

	"k8s.io/klog/v2"

	"github.com/epilogue-dev/epilogue/config"
)

// Logger is the one log of the process. What libraries write by the standard log and by klog goes there, too, so that
// every line has the one form: nobody can parse a log of which one line in a thousand is something else.
func Logger(p config.Process, to io.Writer) *slog.Logger { return Install(Handler(p, to)) }

// Handler writes in the form, and from the level on, that the settings say.
func Handler(p config.Process, to io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: p.LogLevel, ReplaceAttr: durations}
	if p.LogFormat == "text" {
		return slog.NewTextHandler(to, options)
	}
	return slog.NewJSONHandler(to, options)
}

// Install makes a handler that of the whole process.
func Install(handler slog.Handler) *slog.Logger {
	log := slog.New(handler)
	slog.SetDefault(log.With("component", "library"))
	klog.SetSlogLogger(log.With("component", "client-go"))
	return log
}

// durations writes them as settings are written, such as 1m30s. JSON would have a number of nanoseconds, of which
// nobody knows the unit.
func durations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
