package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Request is one request for a log, as a fault's On sees it.
type Request struct {
	Namespace, Pod, Container    string
	Follow, Previous, Timestamps bool
	Since                        time.Time // zero: not asked for
	Tail, Limit                  *int64    // nil: not asked for
}

type logOptions struct {
	follow, previous, timestamps bool
	since                        time.Time
	tailLines, limitBytes        *int64
}

// stream is one answer that is under way.
type stream struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	writer *http.ResponseController
}

// kill breaks the stream, also where it is stuck in a write to a client that does not read.
func (s *stream) kill() {
	s.cancel(errCut)
	// The error is of no use: a writer without deadlines is one that does not get stuck.
	_ = s.writer.SetWriteDeadline(time.Now())
}

// ServeHTTP answers as the kubelet's server: GET /containerLogs/{namespace}/{pod}/{container} and GET /healthz.
func (k *Kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		_, _ = io.WriteString(w, "ok") // a client that has gone is no concern of ours
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/containerLogs/"), "/")
	if !strings.HasPrefix(r.URL.Path, "/containerLogs/") || len(parts) != 3 {
		http.NotFound(w, r)
		return
	}
	opts, err := parseOptions(r.URL.Query(), k.now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	k.serveLog(w, r, opts, parts)
}

// serveLog registers the stream and turns a cut into a broken connection.
func (k *Kubelet) serveLog(w http.ResponseWriter, r *http.Request, opts logOptions, parts []string) {
	req := Request{
		Namespace: parts[0], Pod: parts[1], Container: parts[2], Follow: opts.follow, Previous: opts.previous,
		Timestamps: opts.timestamps, Since: opts.since, Tail: opts.tailLines, Limit: opts.limitBytes,
	}
	k.count(req)
	s := k.openStream(w, r)
	defer k.closeStream(s)
	k.answer(s, w, req, opts)
	if errors.Is(context.Cause(s.ctx), errCut) {
		panic(http.ErrAbortHandler) // the only way to end an answer without a proper end of its body
	}
}

func (k *Kubelet) openStream(w http.ResponseWriter, r *http.Request) *stream {
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(k.opts.streamLimit, func() { cancel(errCut) })
	context.AfterFunc(ctx, func() { timer.Stop() })
	s := &stream{ctx: ctx, cancel: cancel, writer: http.NewResponseController(w)}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.streams[s] = struct{}{}
	return s
}

func (k *Kubelet) closeStream(s *stream) {
	k.mu.Lock()
	delete(k.streams, s)
	k.mu.Unlock()
	s.cancel(nil)
}

// answer serves one log. Errors before the first byte have a status; later ones are text behind what was served, as
// the kubelet has said 200 by then.
func (k *Kubelet) answer(s *stream, w http.ResponseWriter, req Request, opts logOptions) {
	fault := k.fault(req)
	if fault != nil && fault.refuse(s, w) {
		return
	}
	inst, status, err := k.find(req)
	if err != nil {
		writeError(w, status, err)
		return
	}
	out := &sink{ctx: s.ctx, w: w, total: &k.bytes, fault: fault}
	if out.flush() != nil { // the kubelet's write of zero bytes: says 200
		return
	}
	err = inst.serve(s.ctx, opts, out)
	switch {
	case err == nil:
		_ = out.flush() // the client has gone: nothing to tell it
	case errors.Is(err, errCut):
		s.cancel(errCut)
	case s.ctx.Err() == nil:
		_ = out.put([]byte(err.Error()))
		_ = out.flush()
	}
}

// serve prints the log, or says why there is none.
func (i *Instance) serve(ctx context.Context, opts logOptions, out *sink) error {
	if _, err := i.running(); err != nil {
		return fmt.Errorf("unable to retrieve container logs for %s", i.id)
	}
	out.hung = i.hung
	if out.fault != nil && out.fault.atStart() {
		if err := out.strike(); err != nil {
			return err
		}
	}
	if err := newReader(i, opts, out).run(ctx); err != nil {
		return err
	}
	return out.idle() // a fault may stand right behind the last record
}

// refuse plays what a fault does before the log is looked up. It reports whether that was the whole answer.
func (f *Fault) refuse(s *stream, w http.ResponseWriter) bool {
	if f.Delay > 0 {
		f.fire()
		if sleep(s.ctx, f.Delay) != nil {
			return true
		}
	}
	if f.Status == 0 {
		return false
	}
	f.fire()
	writeError(w, f.Status, errors.New(f.Text))
	return true
}

// atStart reports whether the fault strikes before the first byte of the log.
func (f *Fault) atStart() bool {
	strikes := f.Hold != nil || f.Text != "" || f.Hang || f.Cut
	return strikes && f.AfterBytes == 0 && f.AfterLines == 0
}

func writeError(w http.ResponseWriter, status int, err error) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, err.Error()) // a client that has gone is no concern of ours
}

// find picks the instance that the kubelet would read for the request.
func (k *Kubelet) find(req Request) (*Instance, int, error) {
	pod := k.lookup(req.Namespace, req.Pod)
	if pod == nil {
		return nil, http.StatusNotFound, fmt.Errorf("pod %q does not exist", req.Pod)
	}
	if pod.container(req.Container) == nil {
		return nil, http.StatusNotFound, fmt.Errorf("container %q not found in pod %q", req.Container, req.Pod)
	}
	inst, err := pod.resolve(req.Container, req.Previous)
	return inst, http.StatusBadRequest, err
}

func (k *Kubelet) count(r Request) {
	k.opened.Add(1)
	for counter, asked := range map[interface{ Add(int64) int64 }]bool{
		&k.follow: r.Follow, &k.since: !r.Since.IsZero(), &k.tail: r.Tail != nil, &k.limit: r.Limit != nil, &k.previous: r.Previous,
	} {
		if asked {
			counter.Add(1)
		}
	}
}

// parseOptions reads the query. Times have whole seconds: a fraction is what the API server would have dropped.
func parseOptions(q url.Values, now time.Time) (o logOptions, err error) {
	o.follow, o.previous, o.timestamps = q.Get("follow") == "true", q.Get("previous") == "true", q.Get("timestamps") == "true"
	if o.tailLines, err = number(q, "tailLines", 0); err != nil {
		return o, err
	}
	if o.limitBytes, err = number(q, "limitBytes", 1); err != nil {
		return o, err
	}
	seconds, err := number(q, "sinceSeconds", 1)
	if err != nil {
		return o, err
	}
	if seconds != nil {
		o.since = now.Add(-time.Duration(*seconds) * time.Second)
	}
	text := q.Get("sinceTime")
	if text == "" {
		return o, nil
	}
	if seconds != nil {
		return o, errors.New("sinceTime and sinceSeconds: at most one of them may be given")
	}
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return o, fmt.Errorf("sinceTime %q is not an RFC 3339 time", text)
	}
	o.since = since.Truncate(time.Second)
	return o, nil
}

func number(q url.Values, name string, least int64) (*int64, error) {
	text := q.Get(name)
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least {
		return nil, fmt.Errorf("%s %q is not a whole number of at least %d", name, text, least)
	}
	return &n, nil
}
