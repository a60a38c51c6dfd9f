// Package serve answers over HTTP: health, metrics, and the API that gives logs back. It owns its listeners and keeps
// nothing: what it answers is in the archive, and a client who was cut off says where he was and goes on there, here or
// at another replica.
//
// Nobody is answered by the API whom access does not know, and nothing is told of a namespace whose logs he may not
// read. A client who does not read costs a slot among the answers and some KiB until his time is over, and holds up
// nobody else.
package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

// Health answers the probes. Each question has one meaning: live is whether the process still turns, ready is whether
// it can do its work now. An empty text is yes; any other says why not.
type Health struct {
	Ready func() string
}

// Handler returns /livez and /readyz, and the names that ZenML's charts use for them.
func (h Health) Handler() http.Handler {
	mux := http.NewServeMux()
	live := func(w http.ResponseWriter, _ *http.Request) { answer(w, "") }
	ready := func(w http.ResponseWriter, _ *http.Request) { answer(w, h.Ready()) }
	for _, path := range []string{"/livez", "/healthz", "/health"} {
		mux.HandleFunc("GET "+path, live)
	}
	for _, path := range []string{"/readyz", "/ready"} {
		mux.HandleFunc("GET "+path, ready)
	}
	return mux
}

type stopKey struct{}

// UntilStop returns a context that ends with the request's or as soon as the server is told to stop: for an answer of a
// route of another package that would not end by itself.
func UntilStop(ctx context.Context) (context.Context, context.CancelFunc) { return untilStop(ctx) }

// untilStop returns a context that ends with the request's or as soon as the server is told to stop: for an answer that
// would not end by itself.
func untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if stop, ok := ctx.Value(stopKey{}).(context.Context); ok {
		forget := context.AfterFunc(stop, cancel)
		return ctx, func() { forget(); cancel() }
	}
	return ctx, cancel
}

func answer(w http.ResponseWriter, trouble string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if trouble != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, trouble)
		return
	}
	fmt.Fprintln(w, "ok")
}

// Listen opens an address for Run.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}
