//go:build integration

package integration

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/follow"
	"github.com/epilogue-dev/epilogue/watch/lease"
)

const (
	leaseTime   = 3 * time.Second
	journalTime = 500 * time.Millisecond
)

// replica is one of several daemons over the rig's namespace and store. All that it says to the world goes through a
// gate.
type replica struct {
	*daemon
	name     string
	gate     *storetest.Gate
	dir      string
	leases   *lease.Leases
	journal  *takeover.Taker
	stopWork context.CancelFunc
	released chan struct{} // closed when all of it has ended
}

// replica starts one and waits until it acts.
func (r *rig) replica(name string) *replica {
	r.t.Helper()
	p := r.assembleReplica(name)
	ctx, stop := context.WithCancel(context.Background())
	p.stopWork = stop
	go p.run(ctx)
	r.t.Cleanup(func() {
		p.kill()
		if r.t.Failed() {
			r.t.Logf("the log of %s:\n%s", name, p.said)
		}
	})
	r.await(name+" to act", p.watcher.Acts)
	return p
}

// run is what the program does.
func (p *replica) run(ctx context.Context) {
	defer close(p.released)
	stage := func(run func(context.Context) error) (stop func()) {
		own, cancel := context.WithCancel(context.Background())
		var g errgroup.Group
		g.Go(func() error { return run(own) })
		return func() { cancel(); _ = g.Wait() } // a replica that was killed fails at all of it
	}
	stopLease := stage(p.leases.Run)
	stopJournal := stage(p.journal.Run)
	stopSpool := stage(p.spool.Run)
	_ = p.watcher.Run(ctx)
	stopSpool()
	stopJournal()
	stopLease()
	_ = p.leases.Release(context.Background())
}

// stop ends the replica gently.
func (p *replica) stop() {
	p.stopWork()
	<-p.released
}

// kill ends the replica at once, and its disk with it: nothing that it says from now on is heard.
func (p *replica) kill() {
	p.gate.Kill()
	_ = os.Rename(p.dir, p.dir+"-lost")
	p.stop()
}

func (r *rig) assembleReplica(name string) *replica {
	r.t.Helper()
	p := &replica{
		daemon: &daemon{said: &spoken{}, metrics: prometheus.NewRegistry()},
		name:   name, gate: storetest.NewGate(), dir: filepath.Join(r.t.TempDir(), name), released: make(chan struct{}),
	}
	log := p.said.logger()
	codec, err := format.NewCodec()
	must(r.t, err)
	p.spool, err = spool.Open(spool.Config{Dir: p.dir, Limit: 256 << 20, Memory: 4 << 20, FlushInterval: 100 * time.Millisecond}, codec, log)
	must(r.t, err)
	store := &storetest.Gated{Store: r.store, Gates: []*storetest.Gate{p.gate}}
	sealing := metrics.NewSeal(p.metrics)
	p.sealer = seal.New(store, p.spool, name, log, func(error) { sealing.Failures.Inc() })
	p.journal = takeover.New(journal.New(journal.Config{Replica: name, Interval: journalTime, Grace: 2 * time.Second}, store, p.spool, log, func(error) {}))
	p.budget = follow.NewBudget(2000, 500, p.spool.Room)
	config := r.set.plane.RESTConfig()
	config.QPS, config.Burst = 500, 1000
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return kubelet.Gated(next, p.gate.Pass) })
	client, err := kubernetes.NewForConfig(config)
	must(r.t, err)
	source, err := follow.NewSource(config)
	must(r.t, err)
	p.leases, err = lease.New(lease.Config{Namespace: r.ns, Group: "epilogue", Replica: name, Duration: leaseTime}, client, log)
	must(r.t, err)
	p.watcher, err = watch.New(watch.Config{
		Namespace: r.ns, Sealers: 4, Replica: name, Follow: follow.Config{
			StallAfter: 2 * time.Second, ReconnectAfter: time.Hour, SettleDelay: 200 * time.Millisecond, GiveUpAfter: 10 * time.Second,
		},
	}, watch.Parts{
		Client: client, Source: source, Budget: p.budget, Spool: p.spool, Sealer: p.sealer, Follow: metrics.NewFollow(p.metrics), Seal: sealing,
		Log: log, Journal: p.journal, Leases: p.leases, Own: metrics.NewOwn(p.metrics),
	})
	must(r.t, err)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
