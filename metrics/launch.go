package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Launch counts what the launcher does.
type Launch struct {
	Requests *prometheus.CounterVec // by kind and result
	Started  *prometheus.CounterVec // by kind
	Waited   prometheus.Histogram
	Failures prometheus.Counter
}

// NewLaunch declares the launcher's metrics. A nil registerer gives metrics that nobody reads.
func NewLaunch(r prometheus.Registerer) *Launch {
	f := promauto.With(r)
	return &Launch{
		Requests: f.NewCounterVec(counter("launch_requests_total", "Requests to launch a Job, by kind and result: created, known, skipped, refused or failed."), []string{"kind", "result"}),
		Started:  f.NewCounterVec(counter("launched_jobs_started_total", "Launched Jobs that were let run, by kind."), []string{"kind"}),
		Waited: f.NewHistogram(latency("launch_queue_wait_seconds", "Time from a launched Job's creation to its start.",
			[]float64{0.1, 0.5, 1, 5, 30, 60, 300, 1800, 7200})),
		Failures: f.NewCounter(counter("launch_failures_total", "Passes over the launcher's queue that failed and are repeated.")),
	}
}

// LaunchQueue shows the launcher's queue. Each field is asked at a scrape.
type LaunchQueue struct {
	Waiting, WaitingLimit, Running, RunningLimit func() float64
}

// Register declares the gauges.
func (q LaunchQueue) Register(r prometheus.Registerer) {
	gaugeReadings(r, []reading{
		{"launch_queue_jobs", "Launched Jobs that wait for their turn.", q.Waiting},
		{"launch_queue_limit_jobs", "Launched Jobs that may wait.", q.WaitingLimit},
		{"launched_running_jobs", "Launched Jobs that run.", q.Running},
		{"launched_running_limit_jobs", "Launched Jobs that may run.", q.RunningLimit},
	}...)
}
