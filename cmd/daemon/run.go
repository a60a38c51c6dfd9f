package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/process"
)

// run is the whole program:
//
//	API server ─▶ watch.Watcher ─starts─▶ follow.Follower ─lines─▶ spool.Log in spool.Spool
//	                   │                        ▲ pods/log                   │
//	                   │                        │                            ├──▶ journal.Journal ──▶ archive.Store
//	                   ├─ ended pods ───────────┼──▶ seal.Sealer ────────────┴──▶ archive.Store
//	                   │                        └ follow.Source                         │
//	                   └─ Jobs ──▶ cleanup.Janitor ◀───────── what is archived ─────────┘
//
// It stops in stages, from the last to the first: see stages.
func run(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	log.Info("epilogue starts", "version", version, "go", runtime.Version(), "namespace", cfg.Kubernetes.Namespace, "archive", cfg.Archive.String(),
		"settings", cfg)
	store, err := openStore(ctx, cfg)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	p, err := assemble(cfg, store, log)
	if err != nil {
		return err
	}
	open, err := p.listen(ctx, cfg)
	if err != nil {
		return err
	}
	if err := checkRights(ctx, cfg, p.client, log); err != nil {
		return err
	}
	err = process.InStages(ctx, p.stages(ctx, cfg, open), func(stage string) { log.Debug("a stage stops", "stage", stage) })
	log.Info("epilogue has stopped")
	return err
}

// stages are what runs. All of it stops unready; then the last stage, whose followers put on disk what they hold; then
// the spool's flusher; then the journal, with a last object; then the Lease goes, so that others take over what the
// journal holds; and the HTTP servers last, so that a probe can still be told why.
func (p *parts) stages(ctx context.Context, cfg config.Config, open listeners) []process.Stage {
	return []process.Stage{
		{Name: "servers", Run: p.servers(open, p.ready(ctx))},
		{Name: "lease", Before: p.identify, Run: p.keepLease},
		{Name: "held Jobs", Run: process.AtEnd(func(ctx context.Context) { p.leave(ctx, cfg) })},
		{Name: "journal", Run: p.runJournal},
		{Name: "flusher", Run: p.spool.Run},
		{Name: "work", Run: process.Together(p.watcher.Run, p.janitor.Run, p.runLauncher, p.probe, p.runRetention)},
	}
}

// runJournal fails no stop: what the last object lacks is read again by whoever takes over, and a store may be in
// trouble.
func (p *parts) runJournal(ctx context.Context) error {
	if err := p.journal.Run(ctx); err != nil {
		p.log.Warn("last journal", "err", err)
	}
	return nil
}

// probe finds out what the store can do. A store that cannot be reached is no reason to stop: logs go to the spool
// meanwhile.
func (p *parts) probe(ctx context.Context) error {
	can, err := p.sealer.Probe(ctx)
	if err != nil {
		return nil // only when the process stops
	}
	p.log.Info("store works", "conditional_put", can.ConditionalPut, "ranges", can.Ranges)
	return nil
}

// ready says what keeps the program from its work, for the readiness probe.
func (p *parts) ready(ctx context.Context) func() string {
	return func() string {
		var trouble []string
		if ctx.Err() != nil {
			trouble = append(trouble, "stopping")
		}
		if !p.watcher.Synced() {
			trouble = append(trouble, "the caches of pods and Jobs are not filled yet")
		}
		if p.watcher.Synced() && !p.watcher.Acts() {
			trouble = append(trouble, "the logs of other replicas are not taken over yet")
		}
		if !p.sealer.StoreWorks() {
			trouble = append(trouble, "the object store does not answer")
		}
		return strings.Join(trouble, "; ")
	}
}
