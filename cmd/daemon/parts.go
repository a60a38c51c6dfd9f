package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/measured"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/takeover"
	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/api"
	"github.com/epilogue-dev/epilogue/watch/follow"
	"github.com/epilogue-dev/epilogue/watch/lease"
)

// parts are what run starts.
type parts struct {
	client   kubernetes.Interface
	registry *prometheus.Registry
	spool    *spool.Spool
	sealer   *seal.Sealer
	watcher  *watch.Watcher
	janitor  *cleanup.Janitor
	launcher *launch.Launcher // nil: this daemon launches nothing
	journal  *takeover.Taker
	leases   *lease.Leases // nil: alone
	log      *slog.Logger

	store  archive.Store // measured
	codec  *format.Codec
	seal   *metrics.Seal
	budget *follow.Budget
	limit  *api.Limit
	clock  *api.Clock

	retention *retention.Retention // nil: logs are kept for ever
	api       *serve.API           // nil: none
	scrape    http.Handler         // of the metrics
}

// assemble makes all parts. Nothing runs before run.
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
		registry: newRegistry(cfg), log: log, limit: api.NewLimit(cfg.Kubernetes.QPS, cfg.Kubernetes.Burst), clock: api.NewClock(log),
	}
	source, err := p.connect(to)
	if err != nil {
		return nil, err
	}
	if err := p.openArchive(cfg, store); err != nil {
		return nil, err
	}
	return p, p.newWatcher(cfg, source)
}

// connect makes the clients: one for objects under the configured limits, one for logs with a transport of its own.
func (p *parts) connect(to *rest.Config) (follow.Source, error) {
	source, err := follow.NewSource(to)
	if err != nil {
		return nil, err
	}
	to.RateLimiter = p.limit
	to.Wrap(api.Contact(metrics.NewWatch(p.registry)))
	to.Wrap(p.clock.Wrap)
	p.client, err = kubernetesClient(to)
	return source, err
}

// openArchive makes what holds lines: the spool, and what brings them from there into the store.
func (p *parts) openArchive(cfg config.Config, store archive.Store) (err error) {
	p.store = patient.NewPartly(measured.New(store, metrics.NewStore(p.registry, bucket(cfg.Archive))))
	if p.codec, err = format.NewCodec(); err != nil {
		return err
	}
	p.spool, err = spool.Open(spool.Config{
		Dir: cfg.Spool.Dir, Limit: cfg.Spool.Limit, Memory: cfg.Spool.BufferMemory, FlushInterval: cfg.Spool.FlushInterval,
		Reserve: cfg.Spool.Reserve,
	}, p.codec, p.log.With("component", "spool"))
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	p.seal = metrics.NewSeal(p.registry)
	failed := func(error) { p.seal.Failures.Inc() }
	p.sealer = seal.New(p.store, p.spool, cfg.Replica.Called(), p.log.With("component", "sealer"), failed)
	p.journal = takeover.New(journal.New(journal.Config{
		Replica: cfg.Replica.Called(), Interval: cfg.Replica.JournalInterval, Grace: cfg.Process.ShutdownGrace / 2,
	}, p.store, p.spool, p.log.With("component", "journal"), failed))
	return nil
}

// newWatcher makes what brings lines: it hears of pods, and reads their logs.
func (p *parts) newWatcher(cfg config.Config, source follow.Source) (err error) {
	p.budget = follow.NewBudget(cfg.Follow.MaxStreams, cfg.Follow.OpenRate, p.spool.Room)
	if p.leases, err = leases(cfg, p.client, p.log); err != nil {
		return err
	}
	p.watcher, err = watch.New(watch.Config{
		Namespace: cfg.Kubernetes.Namespace, Selector: cfg.Kubernetes.Selector, WorkloadLabels: cfg.Kubernetes.WorkloadLabels,
		Sealers: cfg.Seal.Concurrency, Replica: cfg.Replica.Called(),
		Follow: follow.Config{
			StallAfter: cfg.Follow.StallAfter, ReconnectAfter: cfg.Follow.ReconnectAfter,
			SettleDelay: cfg.Follow.SettleDelay, GiveUpAfter: time.Hour,
		},
	}, watch.Parts{
		Client: p.client, Source: source, Budget: p.budget, Spool: p.spool, Sealer: p.sealer,
		Follow: metrics.NewFollow(p.registry), Seal: p.seal, Log: p.log.With("component", "watch"),
		Journal: p.journal, Leases: p.leases, Own: metrics.NewOwn(p.registry), Clock: p.clock,
	})
	return err
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
