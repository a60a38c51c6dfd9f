package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Watch counts what becomes of the watches on the API server.
type Watch struct {
	Started     *prometheus.CounterVec // by resource
	Failures    *prometheus.CounterVec // by resource
	LastContact *prometheus.GaugeVec   // by resource
}

// NewWatch declares the metrics of watches.
func NewWatch(r prometheus.Registerer) *Watch {
	f := promauto.With(r)
	return &Watch{
		Started:  f.NewCounterVec(counter("watch_starts_total", "Watches on the API server that were opened, by resource. It ends one itself every five to ten minutes."), []string{"resource"}),
		Failures: f.NewCounterVec(counter("watch_failures_total", "Watches on the API server that could not be opened, or broke, by resource. They are opened anew."), []string{"resource"}),
		LastContact: f.NewGaugeVec(gauge("watch_last_contact_timestamp_seconds",
			"When the API server sent something on a watch last, were it only word that nothing has changed, by resource; in seconds since 1970, at first the start of the process."), []string{"resource"}),
	}
}
