package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/measured"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/watch"
)

// run is the whole program:
//
//	API server ─▶ watch.Watcher ─starts─▶ watch.Follower ─lines─▶ archive.Log in archive.Spool
//	                   │                        ▲ pods/log                   │
//	                   │                        │                            ├──▶ archive.Journal ──▶ archive.Store
//	                   ├─ ended pods ───────────┼──▶ archive.Sealer ─────────┴──▶ archive.Store
//	                   │                        └ watch.Source                          │
//	                   └─ Jobs ──▶ cleanup.Janitor ◀───────── what is archived ─────────┘
//
// It stops in stages: unready first; then the janitor and the watcher, whose followers put on disk what they hold; then the spool's flusher;
// then the journal, with a last object, and the Lease, so that others take over; the HTTP servers last, so that a probe can still be told why.
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
	var servers, flusher, journal, lease, janitor errgroup.Group
	last, stopLast := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLast()
	p.serve(last, &servers, open, p.ready(ctx))
	p.identify(ctx)
	flushed, stopFlusher := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFlusher()
	flusher.Go(func() error { return p.spool.Run(flushed) })
	probing, stopProbe := context.WithCancel(ctx)
	servers.Go(func() error { return p.probe(probing) })
	servers.Go(func() error { return p.runRetention(probing) })
	journaled, stopJournal := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJournal()
	journal.Go(func() error { return p.journal.Run(journaled) })
	held, stopLease := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLease()
	lease.Go(func() error { return p.keepLease(held) })
	janitor.Go(func() error { return p.janitor.Run(ctx) })
	janitor.Go(func() error { return p.runLauncher(ctx) })
	err = p.watcher.Run(ctx)
	if jerr := janitor.Wait(); err == nil {
		err = jerr
	}
	stopProbe()
	stopFlusher()
	if ferr := flusher.Wait(); err == nil {
		err = ferr
	}
	stopJournal()
	if jerr := journal.Wait(); jerr != nil {
		// What it lacks is read again by whoever takes over, and a store in trouble is no reason to fail a stop.
		log.Warn("last journal", "err", jerr)
	}
	p.leave(context.WithoutCancel(ctx), cfg)
	// Only now: from here on others take over what the journal holds.
	stopLease()
	if lerr := lease.Wait(); err == nil {
		err = lerr
	}
	stopLast()
	if serr := servers.Wait(); err == nil {
		err = serr
	}
	log.Info("epilogue has stopped")
	return err
}

// parts are what run starts.
type parts struct {
	client   kubernetes.Interface
	registry *prometheus.Registry
	spool    *archive.Spool
	sealer   *archive.Sealer
	watcher  *watch.Watcher
	janitor  *cleanup.Janitor
	launcher *launch.Launcher // nil: this daemon launches nothing
	journal  *archive.Journal
	leases   *watch.Leases // nil: alone
	log      *slog.Logger

	store  archive.Store // measured
	codec  *archive.Codec
	budget *watch.Budget
	limit  *watch.APILimit
	clock  *watch.Clock

	retention *archive.Retention // nil: logs are kept for ever
	api       *serve.API         // nil: none
	scrape    http.Handler       // of the metrics
}

func assemble(cfg config.Config, store archive.Store, log *slog.Logger) (*parts, error) {
	cfg.Spool.Reserve = min(spoolReserve, cfg.Spool.Limit/16)
	to, err := restConfig(cfg.Kubernetes)
	if err != nil {
		return nil, err
	}
	p, err := keeping(cfg, to, store, log)
	if err != nil {
		return nil, err
	}
	if p.janitor, err = p.newJanitor(cfg); err != nil {
		return nil, err
	}
	if err := p.newLauncher(cfg, p.client); err != nil {
		return nil, err
	}
	p.gauges().Register(p.registry)
	p.journalCounts().Register(p.registry)
	p.retention = p.retain(cfg, p.store)
	if p.scrape, err = newScrape(cfg, p.registry); err != nil {
		return nil, err
	}
	if p.api, err = p.newAPI(cfg, p.store, p.codec); err != nil {
		return nil, err
	}
	return p, p.answerLaunches(cfg, p.store)
}

// spoolReserve is enough for the last frame and the index of the logs that are sealed at once.
const spoolReserve = 8 << 20

// keeping makes the parts that keep logs: with no Leases in the settings they write nothing in the cluster.
func keeping(cfg config.Config, to *rest.Config, store archive.Store, log *slog.Logger) (*parts, error) {
	p := &parts{
		registry: newRegistry(cfg), log: log, limit: watch.NewAPILimit(cfg.Kubernetes.QPS, cfg.Kubernetes.Burst), clock: watch.NewClock(log),
	}
	p.store = archive.NewPartly(measured.New(store, metrics.NewStore(p.registry, bucket(cfg.Archive))))
	client, source, err := p.connect(to)
	if err != nil {
		return nil, err
	}
	p.client = client
	if p.codec, err = archive.NewCodec(); err != nil {
		return nil, err
	}
	p.spool, err = archive.OpenSpool(archive.SpoolConfig{
		Dir: cfg.Spool.Dir, Limit: cfg.Spool.Limit, Memory: cfg.Spool.BufferMemory, FlushInterval: cfg.Spool.FlushInterval,
		Reserve: cfg.Spool.Reserve,
	}, p.codec, log.With("component", "spool"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	seal := metrics.NewSeal(p.registry)
	p.sealer = archive.NewSealer(p.store, p.spool, replica(cfg.Replica), log.With("component", "sealer"), func(error) { seal.Failures.Inc() })
	p.budget = watch.NewBudget(cfg.Follow.MaxStreams, cfg.Follow.OpenRate, p.spool.Room)
	p.journal = archive.NewJournal(archive.JournalConfig{
		Replica: replica(cfg.Replica), Interval: cfg.Replica.JournalInterval, Grace: cfg.Process.ShutdownGrace / 2,
	}, p.store, p.spool, log.With("component", "journal"), func(error) { seal.Failures.Inc() })
	if p.leases, err = leases(cfg, client, log); err != nil {
		return nil, err
	}
	p.watcher, err = watch.New(watch.Config{
		Namespace: cfg.Kubernetes.Namespace, Selector: cfg.Kubernetes.Selector, WorkloadLabels: cfg.Kubernetes.WorkloadLabels,
		Sealers: cfg.Seal.Concurrency, Replica: replica(cfg.Replica),
		Follow: watch.FollowConfig{
			StallAfter: cfg.Follow.StallAfter, ReconnectAfter: cfg.Follow.ReconnectAfter,
			SettleDelay: cfg.Follow.SettleDelay, GiveUpAfter: time.Hour,
		},
	}, watch.Parts{
		Client: client, Source: source, Budget: p.budget, Spool: p.spool, Sealer: p.sealer,
		Follow: metrics.NewFollow(p.registry), Seal: seal, Log: log.With("component", "watch"),
		Journal: p.journal, Leases: p.leases, Own: metrics.NewOwn(p.registry), Clock: p.clock,
	})
	return p, err
}

// connect makes the clients: one for objects under the configured limits, one for logs with a transport of its own.
func (p *parts) connect(to *rest.Config) (kubernetes.Interface, watch.Source, error) {
	source, err := watch.NewSource(to)
	if err != nil {
		return nil, nil, err
	}
	to.RateLimiter = p.limit
	to.Wrap(watch.Contact(metrics.NewWatch(p.registry)))
	to.Wrap(p.clock.Wrap)
	client, err := kubernetesClient(to)
	return client, source, err
}

func kubernetesClient(to *rest.Config) (kubernetes.Interface, error) {
	client, err := kubernetes.NewForConfig(to)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return client, nil
}

func restConfig(cfg config.Kubernetes) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = cfg.Kubeconfig
	c, err := rest.InClusterConfig()
	if err != nil || cfg.Kubeconfig != "" {
		c, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	c.UserAgent = "epilogue/" + version
	return c, nil
}

func openStore(ctx context.Context, cfg config.Config) (archive.Store, error) {
	if cfg.Archive.Dir != "" {
		return dir.Open(ctx, cfg.Archive.Dir)
	}
	return s3.Open(ctx, s3.Config{
		Bucket: cfg.Archive.Bucket, Prefix: cfg.Archive.Prefix, Region: cfg.S3.Region, Endpoint: cfg.S3.Endpoint,
		PathStyle: cfg.S3.Style(), CAFile: cfg.S3.CAFile, Timeout: cfg.S3.Timeout,
		Encryption: cfg.S3.Encryption, KMSKey: cfg.S3.KMSKey, StorageClass: cfg.S3.StorageClass, Tags: cfg.S3.Tags,
	})
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
