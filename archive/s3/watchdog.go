package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// watchdog is a transport that ends a request when no byte of it has moved for the timeout: while connecting, while the
// body goes out, while the answer is awaited, while it comes in. A large body may take as long as it needs as long as
// it moves. The time in which a reader does not ask for more bytes of the answer does not count.
type watchdog struct {
	base    http.RoundTripper
	timeout time.Duration
}

// stallError is a try that was ended. The SDK takes it for a broken connection and tries again.
type stallError struct{ after time.Duration }

func (e stallError) Error() string { return fmt.Sprintf("no byte moved for %s", e.after) }
func (e stallError) Timeout() bool { return true }

// RoundTrip is http.RoundTripper's.
func (w *watchdog) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	g := &guard{ctx: ctx, cancel: cancel, timeout: w.timeout}
	g.timer = time.AfterFunc(w.timeout, func() { cancel(stallError{w.timeout}) })
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sentBody{ReadCloser: req.Body, guard: g}
	}
	resp, err := w.base.RoundTrip(req)
	g.answered.Store(true)
	g.timer.Stop()
	if err != nil {
		err = g.explain(err)
		cancel(nil)
		return nil, err
	}
	resp.Body = &receivedBody{ReadCloser: resp.Body, guard: g}
	return resp, nil
}

// guard is the clock of one try.
type guard struct {
	ctx      context.Context // of the try
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	timeout  time.Duration
	answered atomic.Bool // from here on the sent body does not move the clock
}

// explain returns the stall as the error where that is what ended the try.
func (g *guard) explain(err error) error {
	if stall, ok := errors.AsType[stallError](context.Cause(g.ctx)); ok {
		return stall
	}
	return err
}

// sentBody winds the clock when the transport takes bytes to send.
type sentBody struct {
	io.ReadCloser
	guard *guard
}

func (b *sentBody) Read(p []byte) (int, error) {
	if !b.guard.answered.Load() {
		b.guard.timer.Reset(b.guard.timeout)
	}
	return b.ReadCloser.Read(p)
}

// receivedBody runs the clock only while somebody waits for bytes.
type receivedBody struct {
	io.ReadCloser
	guard *guard
}

func (b *receivedBody) Read(p []byte) (int, error) {
	b.guard.timer.Reset(b.guard.timeout)
	n, err := b.ReadCloser.Read(p)
	b.guard.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.guard.explain(err)
	}
	return n, err
}

func (b *receivedBody) Close() error {
	err := b.ReadCloser.Close()
	b.guard.timer.Stop()
	b.guard.cancel(nil)
	return err
}
