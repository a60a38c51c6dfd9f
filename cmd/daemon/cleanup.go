package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch"
)

// janitor makes the part that holds and deletes Jobs. It hears of them from the watcher, and works from its cache.
func janitor(cfg config.Config, client kubernetes.Interface, watcher *watch.Watcher, sealer *archive.Sealer,
	registry prometheus.Registerer, log *slog.Logger) (*cleanup.Janitor, error) {
	selector, err := labels.Parse(cfg.Kubernetes.Selector)
	if err != nil {
		return nil, fmt.Errorf("selector of cleanup: %w", err)
	}
	j := cleanup.New(cleanup.Config{Cleanup: cfg.Cleanup, Selector: selector, Replica: replica(cfg.Replica)}, cleanup.Parts{
		Client: client, Cache: watcher, Store: sealer, Count: metrics.NewCleanup(registry), Log: log.With("component", "cleanup"),
	})
	metrics.Due{
		Late: func() float64 { n, _ := j.Late(); return float64(n) },
		OldestLate: func() float64 {
			_, since := j.Late()
			if since.IsZero() {
				return 0
			}
			return time.Since(since).Seconds()
		},
		NextRelease: func() float64 {
			at := j.NextDeadline()
			if at.IsZero() {
				return 0
			}
			return float64(at.Unix())
		},
	}.Register(registry)
	watcher.Listen(j.Notice)
	watcher.ListenSettled(j.Settled)
	return j, nil
}
