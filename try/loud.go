package try

import (
	"context"
	"log/slog"
)

// Loud returns a handler that writes to another one, and tells errors on the screen, too.
func Loud(quiet slog.Handler, s *Screen) slog.Handler { return &loud{quiet, s} }

type loud struct {
	slog.Handler
	screen *Screen
}

// Handle is slog.Handler's. What a person is told is the message and its cause; the file has the rest.
func (l *loud) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "err" {
				text += ": " + a.Value.String()
			}
			return a.Key != "err"
		})
		l.screen.Trouble(text)
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (l *loud) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &loud{l.Handler.WithAttrs(attrs), l.screen}
}

// WithGroup is slog.Handler's.
func (l *loud) WithGroup(name string) slog.Handler { return &loud{l.Handler.WithGroup(name), l.screen} }
