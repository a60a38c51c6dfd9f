package kubelet

import (
	"io"
	"net/http"
)

// Gated returns a transport whose requests, and each read of their answers, first ask pass, which may wait or refuse:
// the connections of a process that is stopped, cut off or dead.
func Gated(next http.RoundTripper, pass func() error) http.RoundTripper { return gated{next, pass} }

type gated struct {
	next http.RoundTripper
	pass func() error
}

// RoundTrip implements http.RoundTripper.
func (t gated) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.pass(); err != nil {
		return nil, err
	}
	answer, err := t.next.RoundTrip(r)
	if err == nil {
		answer.Body = &gatedBody{answer.Body, t.pass}
	}
	return answer, err
}

type gatedBody struct {
	io.ReadCloser
	pass func() error
}

func (b *gatedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if refused := b.pass(); refused != nil {
		return 0, refused
	}
	return n, err
}
