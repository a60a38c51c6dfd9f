// Package serve answers over HTTP: health and metrics. It owns its listeners and keeps nothing.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Health answers the probes. Each question has one meaning: live is whether the process still turns, ready is whether it
// can do its work now. An empty text is yes; any other says why not.
type Health struct {
	Ready func() string
}

// Handler gives /livez and /readyz, and the names that ZenML's charts use for them.
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

// Run serves until the context ends, then lets running requests end for a moment. It returns when all are over.
func Run(ctx context.Context, l net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	done, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(stopped)
		<-done.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(limited) != nil {
			server.Close() // those that are still open had their moment
		}
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}
