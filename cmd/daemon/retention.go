package main

import (
	"context"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
)

// retain returns nil where logs are kept for ever.
func (p *parts) retain(cfg config.Config, store archive.Store) *retention.Retention {
	if cfg.Retention.After == 0 {
		return nil
	}
	r := retention.New(retention.Config{
		Namespace: cfg.Kubernetes.Namespace, After: cfg.Retention.After, Leave: p.watcher.Spares, Dead: p.watcher.Dead,
	}, store, p.journal.Journal, p.log.With("component", "retention"))
	pick := counts(r.Stats)
	metrics.RetentionCounts{
		Jobs:       pick(func(s retention.Stats) int64 { return s.Jobs }),
		Objects:    pick(func(s retention.Stats) int64 { return s.Objects }),
		Journals:   pick(func(s retention.Stats) int64 { return s.Journals }),
		Uploads:    pick(func(s retention.Stats) int64 { return s.Uploads }),
		Unreadable: pick(func(s retention.Stats) int64 { return s.Unreadable }),
		Failures:   pick(func(s retention.Stats) int64 { return s.Failures }),
		Last:       pick(func(s retention.Stats) int64 { return s.Last }),
	}.Register(p.registry)
	return r
}

// runRetention deletes old logs until the context ends.
func (p *parts) runRetention(ctx context.Context) error {
	if p.retention == nil {
		return nil
	}
	return p.retention.Run(ctx)
}
