package main

import (
	"context"
	"fmt"
	"log/slog"

	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/lease"
)

// leases returns nil for a replica that is alone.
func leases(whole config.Config, client kubernetes.Interface, log *slog.Logger) (*lease.Leases, error) {
	cfg := whole.Replica
	namespace := cfg.OwnNamespace()
	if cfg.LeaseDuration == 0 || namespace == "" {
		log.Info("no Leases: this replica owns every log, and must be the only one")
		return nil, nil
	}
	l, err := lease.New(lease.Config{
		Namespace: namespace, Group: cfg.Release, Replica: cfg.Called(), Duration: cfg.LeaseDuration, API: whole.APIAddress(), Account: cfg.Account,
	}, client, log.With("component", "leases"))
	if err != nil {
		return nil, fmt.Errorf("watch Leases: %w", err)
	}
	return l, nil
}

// keepLease holds the Lease until the context ends, and gives it up then.
func (p *parts) keepLease(ctx context.Context) error {
	if p.leases == nil {
		return nil
	}
	if err := p.leases.Run(ctx); err != nil {
		return err
	}
	// A Lease that stays lapses by itself.
	if err := p.leases.Release(context.WithoutCancel(ctx)); err != nil {
		p.log.Warn("give up Lease", "err", err)
	}
	return nil
}

// live counts the replicas.
func (p *parts) live() float64 {
	if p.leases == nil {
		return 1
	}
	v, _ := p.leases.View()
	if v.Self.Lease == "" {
		return 0
	}
	return float64(1 + len(v.Others))
}

// journalCounts is what the journal counts by itself.
func (p *parts) journalCounts() metrics.JournalCounts {
	pick := counts(p.journal.Stats)
	return metrics.JournalCounts{
		Objects:    pick(func(s journal.Stats) int64 { return s.Objects }),
		Bytes:      pick(func(s journal.Stats) int64 { return s.Bytes }),
		Reframed:   pick(func(s journal.Stats) int64 { return s.Tails }),
		Compacted:  pick(func(s journal.Stats) int64 { return s.Compacted }),
		Collisions: pick(func(s journal.Stats) int64 { return s.Collisions }),
		Removed:    pick(func(s journal.Stats) int64 { return s.Removed }),
	}
}
