package serve

import (
	"bufio"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/epilogue-dev/epilogue/metrics"
)

// counted returns every series of the registry that is not zero, with its labels.
func counted(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "epilogue_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()); v != 0 {
				all[name] = v
			}
		}
	}
	return all
}

func TestRequestsAreCounted(t *testing.T) {
	s := newShelfWith(t, Config{Namespace: "jobs", MaxStreams: 2, MaxStreamsOfUser: 1})
	r := prometheus.NewRegistry()
	s.api.Measure(metrics.NewServe(r, s.api.Streams, s.api.Memory))
	s.draft(usualPod, "main")
	s.write(usualPod, "line")
	s.askAs("admin", logPath)
	s.askAs("joe", logPath)
	s.askAs("", logPath)
	resp := open(t, s.server().URL+logPath+"?follow=true")
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s.ask(logPath) // her second
	const route = "http_requests_total %d GET /api/v1/namespaces/{namespace}/pods/{pod}/log"
	got := counted(t, r)
	want := map[string]float64{
		fmt.Sprintf(route, 200): 1, fmt.Sprintf(route, 403): 1, fmt.Sprintf(route, 401): 1, fmt.Sprintf(route, 429): 1,
		"http_requests_refused_total user": 1, "api_streams_open": 1, "api_streams_limit": 2, "http_request_duration_seconds": 4,
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: got %v, want %v", name, got[name], want[name])
		}
	}
	if got["http_response_bytes_total"] < 5 {
		t.Errorf("got %v bytes, want those of the answers", got["http_response_bytes_total"])
	}
}

func TestForwardedRequestsAreCounted(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "line")
	s.journal()
	closed := httptest.NewServer(nil)
	closed.Close()
	for peer, want := range map[string]string{s.server().URL: resultAnswered, closed.URL: resultGone} {
		front := s.behind(peer)
		r := prometheus.NewRegistry()
		front.api.Measure(metrics.NewServe(r, front.api.Streams, front.api.Memory))
		front.ask(logPath)
		if got := counted(t, r)["http_requests_forwarded_total "+want]; got != 1 {
			t.Errorf("%s: got %v, want 1", want, got)
		}
	}
}
