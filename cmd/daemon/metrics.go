package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/metrics/clientgo"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// newRegistry makes the registry that all parts count in.
func newRegistry(cfg config.Config) *prometheus.Registry {
	r := prometheus.NewRegistry()
	metrics.NewBuild(r, version)
	metrics.Settings{
		TTL:          min(cfg.Cleanup.TTLSuccess, cfg.Cleanup.TTLFailure).Seconds(),
		GateDeadline: cfg.Cleanup.GateDeadline.Seconds(),
	}.Register(r)
	return r
}

// bucket names the store in its metrics.
func bucket(a config.Archive) string {
	if a.Bucket != "" {
		return a.Bucket
	}
	return a.String()
}

// newScrape makes what answers a scrape: anybody's or, by the settings, only that of an account that may get /metrics.
func newScrape(cfg config.Config, r *prometheus.Registry) (http.Handler, error) {
	if cfg.Metrics.Auth == "none" {
		return metricsHandler(r), nil
	}
	who, err := reviews(cfg)
	if err != nil {
		return nil, err
	}
	return serve.Guard(who, access.ReadMetrics, metricsHandler(r)), nil
}

func metricsHandler(r *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(clientgo.With(r), promhttp.HandlerOpts{Registry: r}))
	return mux
}

func (p *parts) gauges() metrics.Gauges {
	pick := func(f func() (int64, int64)) (used, limit func() float64) {
		return func() float64 { n, _ := f(); return float64(n) }, func() float64 { _, n := f(); return float64(n) }
	}
	g := metrics.Gauges{
		OpenLogs:        func() float64 { return float64(p.spool.Open()) },
		UnsealedPods:    func() float64 { n, _ := p.watcher.Backlog(); return float64(n) },
		OldestUnsealed:  func() float64 { _, d := p.watcher.Backlog(); return d.Seconds() },
		StoreWorks:      func() float64 { return truth(p.sealer.StoreWorks()) },
		InformersSynced: func() float64 { return truth(p.watcher.Synced()) },
		Replicas:        p.live,
		JournalLag:      func() float64 { return p.journal.Lag().Seconds() },
	}
	g.SpoolUsed, g.SpoolLimit = pick(p.spool.Used)
	g.BufferUsed, g.BufferLimit = pick(p.spool.Held)
	g.StreamsOpen, g.StreamsLimit = pick(func() (int64, int64) { n, m := p.budget.Open(); return int64(n), int64(m) })
	g.RequestsUsed = func() float64 { used, _ := p.limit.Used(); return used }
	g.RequestsLimit = func() float64 { _, most := p.limit.Used(); return most }
	return g
}

// counts makes of what a component counts by itself one function for each count.
func counts[S any](stats func() S) func(pick func(S) int64) func() float64 {
	return func(pick func(S) int64) func() float64 {
		return func() float64 { return float64(pick(stats())) }
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
