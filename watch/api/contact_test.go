package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/epilogue-dev/epilogue/metrics"
)

// playedTransport answers every request alike.
type playedTransport func(*http.Request) (*http.Response, error)

func (p playedTransport) RoundTrip(r *http.Request) (*http.Response, error) { return p(r) }

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestContact(t *testing.T) {
	body := func(r io.Reader) playedTransport {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(r)}, nil
		}
	}
	const pods = "/api/v1/namespaces/ns/pods?watch=true&resourceVersion=1"
	tests := []struct {
		name              string
		path              string
		next              playedTransport
		started, failures float64
		heard             int // messages
	}{
		{"messages", pods, body(io.MultiReader(strings.NewReader("event"), strings.NewReader("bookmark"))), 1, 0, 2},
		{"nothing comes", pods, body(strings.NewReader("")), 1, 0, 0},
		{"it breaks", pods, body(io.MultiReader(strings.NewReader("event"), brokenReader{errors.New("reset")})), 1, 1, 1},
		{"it is refused", pods, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusForbidden, Body: io.NopCloser(strings.NewReader("no"))}, nil
		}, 0, 1, 0},
		{"nobody answers", pods, func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, 0, 1, 0},
		{"a list", "/api/v1/namespaces/ns/pods?limit=500", body(strings.NewReader("list")), 0, 0, 0},
		{"a pod of that name", "/api/v1/namespaces/ns/pods/pods/log?follow=true", body(strings.NewReader("line")), 0, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				count := metrics.NewWatch(prometheus.NewRegistry())
				transport := Contact(count)(test.next)
				began := time.Now()
				time.Sleep(time.Second)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api"+test.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				heard := 0
				if answer, err := transport.RoundTrip(r); err == nil {
					heard = listen(answer, count)
				}
				if got := testutil.ToFloat64(count.Started.WithLabelValues("pods")); got != test.started {
					t.Errorf("got %v started, want %v", got, test.started)
				}
				if got := testutil.ToFloat64(count.Failures.WithLabelValues("pods")); got != test.failures {
					t.Errorf("got %v failures, want %v", got, test.failures)
				}
				if heard != test.heard {
					t.Errorf("heard of %d messages, want %d", heard, test.heard)
				}
				if got, want := testutil.ToFloat64(count.LastContact.WithLabelValues("jobs")), float64(began.UnixNano())/1e9; got != want {
					t.Errorf("the last contact on jobs is %v, want the start %v", got, want)
				}
			})
		})
	}
}

// listen reads to the end, a minute for each read, and says how many of them moved the last contact.
func listen(answer *http.Response, count *metrics.Watch) (heard int) {
	defer answer.Body.Close()
	for {
		before := testutil.ToFloat64(count.LastContact.WithLabelValues("pods"))
		time.Sleep(time.Minute)
		_, err := answer.Body.Read(make([]byte, 100))
		if testutil.ToFloat64(count.LastContact.WithLabelValues("pods")) != before {
			heard++
		}
		if err != nil {
			return heard
		}
	}
}

// TestLeavingIsNoFailure: a watch that this program itself ends has not broken.
func TestLeavingIsNoFailure(t *testing.T) {
	count := metrics.NewWatch(prometheus.NewRegistry())
	ctx, leave := context.WithCancel(t.Context())
	transport := Contact(count)(playedTransport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(brokenReader{context.Canceled})}, nil
	}))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api/api/v1/namespaces/ns/pods?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	leave()
	_, _ = answer.Body.Read(make([]byte, 1)) // its error is played
	if got := testutil.ToFloat64(count.Failures.WithLabelValues("pods")); got != 0 {
		t.Errorf("got %v failures, want 0", got)
	}
}
