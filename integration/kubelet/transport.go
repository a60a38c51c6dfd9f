package kubelet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Transport returns a transport that answers as an API server would: GET of a pod, and of its log through this node. A
// broken answer of the node becomes a clean end of the body, a pod without a node has a log of status 204. No network
// is used, so it also works in a synctest bubble.
func (k *Kubelet) Transport() http.RoundTripper { return front{k} }

type front struct{ k *Kubelet }

// RoundTrip implements http.RoundTripper.
func (f front) RoundTrip(r *http.Request) (*http.Response, error) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/namespaces/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 3 || parts[1] != "pods" || r.Method != http.MethodGet {
		return f.status(r, http.StatusNotFound, "the fake API server only knows pods and their logs"), nil
	}
	pod := f.k.lookup(parts[0], parts[2])
	switch {
	case pod == nil:
		return f.status(r, http.StatusNotFound, fmt.Sprintf("pods %q not found", parts[2])), nil
	case len(parts) == 3:
		return answer(r, http.StatusOK, "application/json", encode(pod.Object())), nil
	case len(parts) == 4 && parts[3] == "log":
		return f.log(r, pod)
	}
	return f.status(r, http.StatusNotFound, "the fake API server only knows pods and their logs"), nil
}

// log passes the request on to the node.
func (f front) log(r *http.Request, pod *Pod) (*http.Response, error) {
	if !pod.bound {
		return answer(r, http.StatusNoContent, "text/plain", nil), nil
	}
	f.k.mu.Lock()
	down := f.k.down
	f.k.mu.Unlock()
	if down {
		return f.status(r, http.StatusInternalServerError, "dial tcp 127.0.0.1:10250: connect: connection refused"), nil
	}
	q := r.URL.Query()
	name := q.Get("container")
	if name == "" {
		name = pod.Object().Spec.Containers[0].Name
	}
	q.Del("container")
	ctx, cancel := context.WithCancel(r.Context())
	inner := r.Clone(ctx)
	inner.URL = &url.URL{Path: fmt.Sprintf("/containerLogs/%s/%s/%s", pod.namespace, pod.name, name), RawQuery: q.Encode()}
	return f.proxy(r, inner, cancel)
}

// proxy runs the node's handler until its body is read or closed. The goroutine ends with the body or the request.
func (f front) proxy(r, inner *http.Request, cancel context.CancelFunc) (*http.Response, error) {
	body := newPipe()
	w := &pipeWriter{header: http.Header{}, pipe: body, said: make(chan int, 1)}
	go func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
				panic(p)
			}
			w.WriteHeader(http.StatusOK)
			body.end() // the API server drops the node's error: the body ends cleanly
		}()
		f.k.ServeHTTP(w, inner)
	}()
	select {
	case <-r.Context().Done():
		_ = body.Close() // ends the handler's writes; gives no error
		return nil, r.Context().Err()
	case status := <-w.said:
		if status != http.StatusOK {
			text, err := io.ReadAll(body)
			if err != nil {
				return nil, err
			}
			return f.status(r, status, string(text)), nil
		}
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
			Body: hangUp{body, cancel}, ContentLength: -1, Request: r,
		}, nil
	}
}

// hangUp is a body whose Close also ends the node's handler, as a closed connection does.
type hangUp struct {
	*pipe
	cancel context.CancelFunc
}

func (h hangUp) Close() error {
	h.cancel()
	return h.pipe.Close()
}

// status returns a failure as the API server words it.
func (f front) status(r *http.Request, code int, message string) *http.Response {
	reasons := map[int]metav1.StatusReason{
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusBadRequest: metav1.StatusReasonBadRequest,
		http.StatusInternalServerError: metav1.StatusReasonInternalError,
	}
	return answer(r, code, "application/json", encode(&metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: reasons[code], Message: message,
	}))
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("kubelet: API objects always marshal: " + err.Error())
	}
	return b
}

func answer(r *http.Request, code int, kind string, body []byte) *http.Response {
	return &http.Response{
		StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {kind}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

// pipeWriter is the node's side of an answer in the same process.
type pipeWriter struct {
	header http.Header
	pipe   *pipe
	said   chan int // the status, once
	once   sync.Once
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) { w.once.Do(func() { w.said <- status }) }

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// FlushError says the status; the pipe holds nothing back.
func (w *pipeWriter) FlushError() error {
	w.WriteHeader(http.StatusOK)
	return nil
}

// SetWriteDeadline breaks the body: the only deadline ever set is "now".
func (w *pipeWriter) SetWriteDeadline(time.Time) error {
	w.pipe.end()
	return nil
}
