package metrics

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// NewBuild declares which program this is.
func NewBuild(r prometheus.Registerer, version string) {
	revision := "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	promauto.With(r).NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; which program runs, by its version, its commit and the Go version that built it.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	}).Set(1)
}

// Settings are limits in time that alerts measure against. They never change while the process runs.
type Settings struct {
	TTL          float64 // seconds; the shorter one of successful and of failed Jobs
	GateDeadline float64 // seconds
}

// Register declares them.
func (s Settings) Register(r prometheus.Registerer) {
	gaugeReadings(r, []reading{
		{"ttl_seconds", "How long a finished Job is kept by the settings; the shorter one of those for success and for failure.", func() float64 { return s.TTL }},
		{"gate_deadline_seconds", "How long the gate holds a deleted Job whose logs are not archived.", func() float64 { return s.GateDeadline }},
	}...)
}
