package api

import (
	"errors"
	"io"
	"net/http"
	"path"
	"slices"

	"github.com/epilogue-dev/epilogue/metrics"
)

// watched are the resources on which this program has watches.
var watched = []string{"pods", "jobs", "events", "leases"}

// Contact returns a wrapper for the transport of a client whose watches are counted. Where nothing changes the API
// server still sends word of that about once a minute, and ends each watch after minutes: a watch on which nothing at
// all comes is dead, though no error says so, and what is not seen to end is not archived.
func Contact(count *metrics.Watch) func(http.RoundTripper) http.RoundTripper {
	for _, resource := range watched {
		count.Started.WithLabelValues(resource)
		count.Failures.WithLabelValues(resource)
	}
	// Leases are watched only where there are other replicas.
	for _, resource := range watched[:3] {
		count.LastContact.WithLabelValues(resource).SetToCurrentTime()
	}
	return func(next http.RoundTripper) http.RoundTripper { return contact{next, count} }
}

type contact struct {
	next  http.RoundTripper
	count *metrics.Watch
}

// RoundTrip is http.RoundTripper's.
func (c contact) RoundTrip(r *http.Request) (*http.Response, error) {
	resource := path.Base(r.URL.Path)
	if r.URL.Query().Get("watch") != "true" || !slices.Contains(watched, resource) {
		return c.next.RoundTrip(r)
	}
	answer, err := c.next.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		if r.Context().Err() == nil {
			c.count.Failures.WithLabelValues(resource).Inc()
		}
		return answer, err
	}
	c.count.Started.WithLabelValues(resource).Inc()
	heard := c.count.LastContact.WithLabelValues(resource)
	heard.SetToCurrentTime()
	answer.Body = &watchBody{
		ReadCloser: answer.Body, heard: heard.SetToCurrentTime,
		broke: func() {
			if r.Context().Err() == nil {
				c.count.Failures.WithLabelValues(resource).Inc()
			}
		},
	}
	return answer, nil
}

// watchBody notes what comes, and an end that is none. It is read by one goroutine.
type watchBody struct {
	io.ReadCloser
	heard, broke func()
}

func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.heard()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.broke()
	}
	return n, err
}
