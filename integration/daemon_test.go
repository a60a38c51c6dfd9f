//go:build integration

package integration

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/api"
	"github.com/epilogue-dev/epilogue/watch/follow"
)

// daemon is one life of the daemon's parts, wired as the program wires them.
type daemon struct {
	watcher *watch.Watcher
	janitor *cleanup.Janitor // nil: none
	launch  *launch.Launcher // nil: none
	spool   *spool.Spool
	sealer  *seal.Sealer
	budget  *follow.Budget
	metrics *prometheus.Registry
	clock   *api.Clock
	said    *spoken
	cancel  context.CancelFunc
	work    errgroup.Group
}

// start starts the daemon over the spool's folder and waits until its caches are filled.
func (r *rig) start() {
	r.t.Helper()
	d := r.assemble()
	r.daemon = d
	ctx, cancel := context.WithCancel(context.Background())
	flushed, stopFlusher := context.WithCancel(context.Background())
	d.cancel = cancel
	d.work.Go(func() error { return d.spool.Run(flushed) })
	d.work.Go(func() error {
		defer stopFlusher()
		return d.watcher.Run(ctx)
	})
	if d.janitor != nil {
		d.work.Go(func() error { return d.janitor.Run(ctx) })
	}
	if d.launch != nil {
		d.work.Go(func() error { d.launch.Run(ctx); return nil })
	}
	r.await("the caches", d.watcher.Synced)
}

func (d *daemon) stop() {
	d.cancel()
	_ = d.work.Wait() // after a crash it fails for want of its folder
}

// wiring is what a daemon is made of.
type wiring struct {
	config    *rest.Config
	namespace string
	store     archive.Store
	spool     spool.Config
	follow    follow.Config
	log       *slog.Logger
	cleanup   *config.Cleanup // nil: nothing is held or deleted
	launching *launching      // nil: nothing is launched
}

var usualFollow = follow.Config{
	StallAfter: 2 * time.Second, ReconnectAfter: time.Hour, SettleDelay: 200 * time.Millisecond, GiveUpAfter: 10 * time.Second,
}

func usualSpool(dir string) spool.Config {
	return spool.Config{Dir: dir, Limit: 256 << 20, Memory: 4 << 20, FlushInterval: 100 * time.Millisecond}
}

func (r *rig) assemble() *daemon {
	r.t.Helper()
	said := &spoken{}
	w := wiring{
		config: r.set.plane.RESTConfig(), namespace: r.ns, store: r.store, spool: usualSpool(r.spoolDir), follow: usualFollow,
		log: said.logger(), cleanup: r.set.cleanup, launching: r.set.launching,
	}
	if r.set.wrap != nil {
		w.config.Wrap(r.set.wrap)
	}
	if r.set.spool != nil {
		r.set.spool(&w.spool)
	}
	if r.set.follow != nil {
		r.set.follow(&w.follow)
	}
	d, err := assemble(w)
	if err != nil {
		r.t.Fatal(err)
	}
	d.said = said
	return d
}

// assemble wires the daemon's parts. Nothing runs yet.
func assemble(w wiring) (*daemon, error) {
	d := &daemon{metrics: prometheus.NewRegistry()}
	codec, err := format.NewCodec()
	if err != nil {
		return nil, err
	}
	if d.spool, err = spool.Open(w.spool, codec, w.log); err != nil {
		return nil, err
	}
	sealing := metrics.NewSeal(d.metrics)
	d.sealer = seal.New(w.store, d.spool, "test", w.log, func(error) { sealing.Failures.Inc() })
	d.budget = follow.NewBudget(2000, 500, d.spool.Room)
	d.clock = api.NewClock(w.log)
	w.config.Wrap(d.clock.Wrap)
	client, err := kubernetes.NewForConfig(w.config)
	if err != nil {
		return nil, err
	}
	source, err := follow.NewSource(w.config)
	if err != nil {
		return nil, err
	}
	d.watcher, err = watch.New(watch.Config{Namespace: w.namespace, Sealers: 4, Follow: w.follow}, watch.Parts{
		Client: client, Source: source, Budget: d.budget, Spool: d.spool, Sealer: d.sealer,
		Follow: metrics.NewFollow(d.metrics), Seal: sealing, Log: w.log, Clock: d.clock,
	})
	if err == nil && w.cleanup != nil {
		d.janitor = cleanup.New(cleanup.Config{Cleanup: *w.cleanup}, cleanup.Parts{
			Client: client, Cache: d.watcher, Store: d.sealer, Count: metrics.NewCleanup(d.metrics), Log: w.log, Clock: d.clock,
		})
		d.watcher.Listen(d.janitor.Notice)
		d.watcher.ListenSettled(d.janitor.Settled)
	}
	if err == nil && w.launching != nil {
		w.launching.config.Shape.Namespace = w.namespace
		d.launch = launch.New(w.launching.config, launch.Parts{
			Client: client, Cache: d.watcher, Owns: func() bool { return d.watcher.Owns(launch.QueueKey(w.namespace)) },
			Registry: w.launching.registry, Metrics: metrics.NewLaunch(d.metrics), Log: w.log,
			Now: d.clock.Now,
		})
		d.watcher.Listen(d.launch.See)
	}
	return d, err
}

// value sums up a metric over its labels.
func (d *daemon) value(name string) float64 {
	return d.valueOf(name, func(*dto.Metric) bool { return true })
}

// sealedAs returns how many logs were counted with a verdict.
func (d *daemon) sealedAs(verdict string) float64 {
	return d.valueOf("epilogue_logs_sealed_total", func(m *dto.Metric) bool { return m.GetLabel()[0].GetValue() == verdict })
}

func (d *daemon) valueOf(name string, wanted func(*dto.Metric) bool) float64 {
	families, err := d.metrics.Gather()
	if err != nil {
		panic("integration: a registry of our own always gathers: " + err.Error())
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if !wanted(m) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}
