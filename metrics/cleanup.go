package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Cleanup counts what the janitor does and what keeps it from it.
type Cleanup struct {
	Deleted  *prometheus.CounterVec // by kind (job, pod) and reason
	Blocked  *prometheus.CounterVec // by reason
	DryRun   *prometheus.CounterVec // by action and reason
	Lag      prometheus.Histogram
	Released *prometheus.CounterVec // by reason
	Ended    *prometheus.CounterVec // by reason
	Stuck    *prometheus.GaugeVec   // by reason
	Held     prometheus.Gauge
	Gated    prometheus.Counter
	HeldPods prometheus.Counter
	Adopted  prometheus.Counter
	Unseen   prometheus.Counter
}

// NewCleanup declares the janitor's metrics.
func NewCleanup(r prometheus.Registerer) *Cleanup {
	f := promauto.With(r)
	return &Cleanup{
		Deleted: f.NewCounterVec(counter("deletions_total", "Jobs and pods that were deleted, by what they were and why."), []string{"kind", "reason"}),
		Blocked: f.NewCounterVec(counter("deletions_blocked_total", "Times that a deletion was due and could not be done, by what kept it. It is tried again."), []string{"reason"}),
		DryRun:  f.NewCounterVec(counter("dry_run_actions_total", "What would have been done without dry-run, by action and reason."), []string{"action", "reason"}),
		Lag: f.NewHistogram(latency("deletion_lag_seconds", "Time from when a Job could be deleted (its time was over, its logs were archived, a daemon ran) to its deletion.",
			[]float64{0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 1800, 7200})),
		Released: f.NewCounterVec(counter("gate_released_total", "Jobs and pods from which the gate was taken, by reason: with deadline their logs were not archived."), []string{"reason"}),
		Ended:    f.NewCounterVec(counter("pods_ended_total", "Pods that were ended, by reason: they could not start, or their Job was deleted."), []string{"reason"}),
		Stuck:    f.NewGaugeVec(gauge("pods_stuck", "Pods that cannot start now, by reason; with no-pod Jobs for which none can be created."), []string{"reason"}),
		Held:     f.NewGauge(gauge("gate_held_jobs", "Jobs that somebody has deleted and that the gate holds.")),
		Gated:    f.NewCounter(counter("gate_put_total", "Jobs on which the gate was put.")),
		HeldPods: f.NewCounter(counter("gate_put_pods_total", "Pods on which the gate was put in the place of their Jobs, whose names must be free for the next release.")),
		Adopted:  f.NewCounter(counter("ttl_adopted_total", "Jobs whose own ttlSecondsAfterFinished was taken over.")),
		Unseen:   f.NewCounter(counter("pods_unseen_total", "Pods that their Job's controller has counted and that came and went before they were seen: their logs are lost.")),
	}
}

// Due shows what the janitor is to do still. Each field is asked at a scrape.
type Due struct {
	Late, OldestLate, NextRelease func() float64
}

// Register declares the gauges.
func (d Due) Register(r prometheus.Registerer) {
	gaugeReadings(r, []reading{
		{"deletions_due_jobs", "Jobs whose time is over and that are still there, waiting for their turn or kept by something.", d.Late},
		{"deletion_due_oldest_seconds", "Time since the Job that has waited longest of these was found to be due; 0 where none waits.", d.OldestLate},
		{"gate_next_deadline_timestamp_seconds", "When the gate lets go the next deleted Job whose logs are not archived, in seconds since 1970; 0 where it holds none.", d.NextRelease},
	}...)
}
