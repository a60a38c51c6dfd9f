//go:build integration

package integration

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch"
)

// daemon is one life of the daemon's parts, wired as the program wires them.
type daemon struct {
	watcher *watch.Watcher
	spool   *archive.Spool
	sealer  *archive.Sealer
	budget  *watch.Budget
	metrics *prometheus.Registry
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
	r.await("the caches", d.watcher.Synced)
}

func (d *daemon) stop() {
	d.cancel()
	_ = d.work.Wait() // after a crash it fails for want of its folder
}

func (r *rig) assemble() *daemon {
	r.t.Helper()
	d := &daemon{said: &spoken{}, metrics: prometheus.NewRegistry()}
	log := d.said.logger()
	config := archive.SpoolConfig{Dir: r.spoolDir, Limit: 256 << 20, Memory: 4 << 20, FlushInterval: 100 * time.Millisecond}
	if r.set.spool != nil {
		r.set.spool(&config)
	}
	codec, err := archive.NewCodec()
	if err != nil {
		r.t.Fatal(err)
	}
	if d.spool, err = archive.OpenSpool(config, codec, log); err != nil {
		r.t.Fatal(err)
	}
	seal := metrics.NewSeal(d.metrics)
	d.sealer = archive.NewSealer(r.store, d.spool, "test", log, func(error) { seal.Failures.Inc() })
	d.budget = watch.NewBudget(2000, 500, d.spool.Room)
	follow := watch.FollowConfig{
		StallAfter: 2 * time.Second, ReconnectAfter: time.Hour, SettleDelay: 200 * time.Millisecond, GiveUpAfter: 10 * time.Second,
	}
	if r.set.follow != nil {
		r.set.follow(&follow)
	}
	source, err := watch.NewSource(r.set.plane.RESTConfig())
	if err != nil {
		r.t.Fatal(err)
	}
	d.watcher, err = watch.New(watch.Config{Namespace: r.ns, Sealers: 4, Follow: follow}, watch.Parts{
		Client: r.set.plane.Client(), Source: source, Budget: d.budget, Spool: d.spool, Sealer: d.sealer,
		Follow: metrics.NewFollow(d.metrics), Seal: seal, Log: log,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// value sums up a metric over its labels.
func (d *daemon) value(name string) float64 {
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
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}
