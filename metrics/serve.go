package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Serve counts what the API answers.
type Serve struct {
	Requests  *prometheus.CounterVec // by route and code
	Duration  prometheus.Histogram   // of requests that follow nothing
	Bytes     prometheus.Counter
	Cut       prometheus.Counter
	Dropped   prometheus.Counter     // connections
	Refused   *prometheus.CounterVec // by reason
	Forwarded *prometheus.CounterVec // by outcome
}

// NewServe declares the API's metrics. Streams give those that are open and their limit, memory the bytes that are
// reserved for the user for whom most are, and the limit of one.
func NewServe(r prometheus.Registerer, streams func() (open, limit int), memory func() (bytes, limit int64)) *Serve {
	gaugeReadings(r, []reading{
		{"api_streams_open", "Answers of the API that are being given.", func() float64 { open, _ := streams(); return float64(open) }},
		{"api_streams_limit", "Answers of the API that may be given at once.", func() float64 { _, limit := streams(); return float64(limit) }},
		{"api_user_memory_bytes", "Bytes of memory that the answers to one user have reserved, of the user who has most.", func() float64 { bytes, _ := memory(); return float64(bytes) }},
		{"api_user_memory_limit_bytes", "Bytes of memory that the answers to one user may reserve.", func() float64 { _, limit := memory(); return float64(limit) }},
	}...)
	f := promauto.With(r)
	return &Serve{
		Requests: f.NewCounterVec(counter("http_requests_total", "Requests to the API, by route and by status code."), []string{"route", "code"}),
		Duration: f.NewHistogram(latency("http_request_duration_seconds", "Time from a request to the end of its answer, of those that follow nothing.",
			[]float64{0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 120})),
		Bytes:     f.NewCounter(counter("http_response_bytes_total", "Bytes of answers of the API.")),
		Cut:       f.NewCounter(counter("http_responses_cut_total", "Answers that were broken off because the client did not read, or because what was to come could not be read.")),
		Dropped:   f.NewCounter(counter("http_connections_dropped_total", "Connections to the API that were closed to make room for others: they had asked for nothing for longest.")),
		Refused:   f.NewCounterVec(counter("http_requests_refused_total", "Requests that were refused for a limit on what may be answered at once, by whose limit it was."), []string{"reason"}),
		Forwarded: f.NewCounterVec(counter("http_requests_forwarded_total", "Requests for logs that another replica holds open, by what came of asking it."), []string{"result"}),
	}
}

// Loki counts what Loki's read API costs.
type Loki struct {
	Lines   prometheus.Counter
	Text    prometheus.Counter
	Refused *prometheus.CounterVec // by reason
	Tails   prometheus.Gauge
}

// NewLoki declares the metrics of Loki's read API.
func NewLoki(r prometheus.Registerer) *Loki {
	f := promauto.With(r)
	return &Loki{
		Lines:   f.NewCounter(counter("loki_lines_read_total", "Lines that queries of Loki's API have read.")),
		Text:    f.NewCounter(counter("loki_text_read_bytes_total", "Bytes of text that queries of Loki's API have read.")),
		Refused: f.NewCounterVec(counter("loki_queries_refused_total", "Queries of Loki's API that were refused: not understood (query), above a ceiling (ceiling), or too long under way (time)."), []string{"reason"}),
		Tails:   f.NewGauge(gauge("loki_tails_open", "Tails of Loki's API that are being followed.")),
	}
}
