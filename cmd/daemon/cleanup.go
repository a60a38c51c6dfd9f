package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
)

// newJanitor makes the part that holds and deletes Jobs. It hears of them from the watcher, and works from its cache.
func (p *parts) newJanitor(cfg config.Config) (*cleanup.Janitor, error) {
	selector, err := labels.Parse(cfg.Kubernetes.Selector)
	if err != nil {
		return nil, fmt.Errorf("selector of cleanup: %w", err)
	}
	j := cleanup.New(cleanup.Config{Cleanup: cfg.Cleanup, Selector: selector, Replica: cfg.Replica.Called()}, cleanup.Parts{
		Client: p.client, Cache: p.watcher, Store: p.sealer, Count: metrics.NewCleanup(p.registry), Log: p.log.With("component", "cleanup"),
		Clock: p.clock,
	})
	metrics.Due{
		Late: func() float64 { n, _ := j.Late(); return float64(n) },
		OldestLate: func() float64 {
			_, since := j.Late()
			if since.IsZero() {
				return 0
			}
			return p.clock.Now().Sub(since).Seconds()
		},
		NextRelease: func() float64 {
			at := j.NextDeadline()
			if at.IsZero() {
				return 0
			}
			return float64(at.Unix())
		},
	}.Register(p.registry)
	p.watcher.Listen(j.Notice)
	p.watcher.ListenSettled(j.Settled)
	return j, nil
}

// leave takes the gate off all Jobs where the namespace is being deleted in which this daemon runs, too: it will not be
// back, nor will another one, and Jobs that are held would keep the namespace for ever. What was read of their logs is
// in the journal. Kubernetes takes the rights to do so only once the pods are gone, this one among them.
func (p *parts) leave(ctx context.Context, cfg config.Config) {
	const limit = 10 * time.Second
	namespace := cfg.Kubernetes.Namespace
	if !cfg.Cleanup.Acts() || cfg.Replica.OwnNamespace() != namespace {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if since, err := cleanup.Ending(ctx, p.client, namespace); err != nil || since == nil {
		return // as far as is known it stays
	}
	released, err := cleanup.NewReleaser(cleanup.ReleaseConfig{Namespace: namespace}, p.client, io.Discard).All(ctx)
	p.log.Warn("the namespace is being deleted and this daemon with it: no Job is held any more", "released", released, "err", err)
}
