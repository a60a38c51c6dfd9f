package watch

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/follow"
	"github.com/epilogue-dev/epilogue/watch/lease"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

const (
	jobsNamespace = "jobs"
	crewJournal   = 5 * time.Second
	crewFlush     = time.Second
)

var crewFollow = follow.Config{StallAfter: time.Minute, ReconnectAfter: 3 * time.Hour, SettleDelay: 2 * time.Second, GiveUpAfter: time.Hour, EndsAtOnce: time.Millisecond}

// crew is several replicas, whole but for the program around them, over one fake API server, one fake node and one
// store, all inside a synctest bubble.
type crew struct {
	t      *testing.T
	k      *kubelet.Kubelet
	server *watchtest.LeaseServer
	memory *storetest.Memory
	store  *storetest.Faulty
	codec  *format.Codec
	said   *watchtest.Transcript
	hands  []*hand // that live
	jobs   int

	wrap func(archive.Store, *hand) archive.Store // nil: not
}

// hand is one replica of a crew, in one life.
type hand struct {
	name, dir    string
	process      *storetest.Gate // of all that it says to anyone
	api, toStore *storetest.Gate
	journal      *takeover.Taker
	watcher      *Watcher
	stopWork     context.CancelFunc
	released     chan struct{} // closed when all of it has ended
	away         bool          // it is cut off or stands still
}

// client-go's handlers of errors wait, by a clock that all bubbles would share and that stands at another time in each.
func init() { utilruntime.ErrorHandlers = nil } //nolint:reassign // client-go offers no other way

func newCrew(t *testing.T) *crew {
	memory := storetest.NewMemory(t)
	memory.MayReadDeleted = inJournal
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	c := &crew{
		t: t, k: kubelet.New(t, nil, "node"), server: watchtest.NewLeaseServer(), memory: memory, store: &storetest.Faulty{Store: memory},
		codec: codec, said: &watchtest.Transcript{},
	}
	t.Cleanup(func() {
		for _, h := range c.hands {
			h.stop()
		}
		if t.Failed() && os.Getenv("EPILOGUE_SEED") != "" {
			t.Logf("%s", c.said.String())
		}
	})
	return c
}

func inJournal(key archive.Key) bool { return len(key) > 12 && key[:12] == "v1/_journal/" }

// pod makes a pod with a Job of its own.
func (c *crew) pod(spec kubelet.Spec) *kubelet.Pod {
	spec.Job = c.job()
	p := c.k.Pod(jobsNamespace, spec)
	if err := c.server.Tracker().Add(p.Object()); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// job names a Job of its own.
func (c *crew) job() *batchv1.Job {
	c.jobs++
	name := fmt.Sprintf("job-%d", c.jobs)
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: jobsNamespace, Name: name, UID: types.UID("uid-of-" + name)}}
}

// report has the API server tell what the node says of a pod.
func (c *crew) report(p *kubelet.Pod) {
	if err := c.server.Tracker().Update(watchtest.PodResource, p.Object(), jobsNamespace); err != nil {
		c.t.Error(err)
	}
}

// remove deletes a pod: from the node first, then from the API server.
func (c *crew) remove(p *kubelet.Pod) {
	p.Delete()
	if err := c.server.Tracker().Delete(watchtest.PodResource, jobsNamespace, p.Name()); err != nil {
		c.t.Error(err)
	}
}

func (c *crew) start(name, dir string) *hand {
	c.t.Helper()
	h := &hand{
		name: name, dir: dir, process: storetest.NewGate(), api: storetest.NewGate(), toStore: storetest.NewGate(), released: make(chan struct{}),
	}
	log := slog.New(slog.NewTextHandler(c.said, &slog.HandlerOptions{Level: slog.LevelDebug})).With("replica", name)
	codec, err := format.NewCodec()
	c.must(err)
	spool, err := spool.Open(spool.Config{Dir: dir, Limit: 64 << 20, Memory: 4 << 20, FlushInterval: crewFlush}, codec, log)
	c.must(err)
	store := &storetest.Gated{Store: c.store, Gates: []*storetest.Gate{h.process, h.toStore}}
	if c.wrap != nil {
		store.Store = c.wrap(store.Store, h)
	}
	sealer := seal.New(store, spool, name, log, func(error) {})
	h.journal = takeover.New(journal.New(journal.Config{Replica: name, Interval: crewJournal}, store, spool, log, func(error) {}))
	client := c.client(h)
	leases, err := lease.New(lease.Config{Namespace: "system", Group: "epilogue", Replica: name, Duration: watchtest.LeaseTime}, client, log)
	c.must(err)
	registry := prometheus.NewRegistry()
	transport := kubelet.Gated(kubelet.Gated(c.k.Transport(), h.process.Pass), h.api.Pass)
	h.watcher, err = New(Config{Namespace: jobsNamespace, Sealers: 4, Replica: name, Follow: crewFollow}, Parts{
		Client: client, Source: follow.SourceOver(&url.URL{Scheme: "http", Host: "node"}, transport),
		Budget: follow.NewBudget(100, 100, spool.Room), Spool: spool, Sealer: sealer, Follow: metrics.NewFollow(registry), Seal: metrics.NewSeal(registry),
		Log: log, Journal: h.journal, Leases: leases, Own: metrics.NewOwn(registry),
	})
	c.must(err)
	ctx, stop := context.WithCancel(context.Background())
	h.stopWork = stop
	go h.run(ctx, leases, spool)
	synctest.Wait() // what happens between a list and the watch after it the fake API server tells nobody
	c.hands = append(c.hands, h)
	return h
}

func (c *crew) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// run is what the program does.
func (h *hand) run(ctx context.Context, leases *lease.Leases, spool *spool.Spool) {
	defer close(h.released)
	stage := func(run func(context.Context) error) (stop func()) {
		own, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = run(own) // one that was killed fails at all of it
		}()
		return func() { cancel(); <-ended }
	}
	stopLease, stopJournal, stopSpool := stage(leases.Run), stage(h.journal.Run), stage(spool.Run)
	_ = h.watcher.Run(ctx)
	stopSpool()
	stopJournal()
	stopLease()
	_ = leases.Release(context.Background())
}

func (h *hand) stop() {
	h.stopWork()
	<-h.released
}

// leave ends a replica gently.
func (c *crew) leave(h *hand) {
	c.hands = slices.DeleteFunc(c.hands, func(o *hand) bool { return o == h })
	h.stop()
}

// kill ends a replica at once and gives what was on its disk.
func (c *crew) kill(h *hand) (disk string) {
	c.hands = slices.DeleteFunc(c.hands, func(o *hand) bool { return o == h })
	h.process.Kill()
	disk = filepath.Join(c.t.TempDir(), "disk")
	if err := os.Rename(h.dir, disk); err != nil {
		c.t.Error(err)
	}
	h.stop()
	return disk
}

// manifest returns a pod's manifest, nil where it is not sealed.
func (c *crew) manifest(p *kubelet.Pod) *archive.Manifest {
	c.t.Helper()
	return c.manifestOf(pods.Ref(p.Object()))
}

func (c *crew) manifestOf(ref archive.PodRef) *archive.Manifest {
	c.t.Helper()
	body, _, err := c.memory.Get(c.t.Context(), ref.ManifestKey(), archive.Range{})
	if err != nil {
		return nil
	}
	defer body.Close()
	m, err := archive.ReadManifest(body)
	c.must(err)
	return m
}

// sealed waits for a pod's manifest.
func (c *crew) sealed(p *kubelet.Pod) *archive.Manifest {
	c.t.Helper()
	for range 3 * 60 * 6 {
		if m := c.manifest(p); m != nil {
			return m
		}
		time.Sleep(10 * time.Second)
	}
	c.t.Fatalf("pod %s is not sealed after three hours", p.Name())
	return nil
}

// lines returns what the archive holds of an instance.
func (c *crew) lines(record *archive.InstanceRecord) (lines []kubelet.Line) {
	c.t.Helper()
	if record.Log == nil {
		return nil
	}
	err := archivetest.StoredLines(c.t.Context(), c.codec, c.memory, record.Log.Key, 0, func(l archive.Line) bool {
		lines = append(lines, kubelet.Line{Time: time.Unix(0, l.Time), Text: string(l.Text), Partial: l.Partial})
		return true
	})
	c.must(err)
	return lines
}

// record returns the record of an instance of a container.
func (c *crew) record(m *archive.Manifest, container string, restart int) *archive.InstanceRecord {
	c.t.Helper()
	for n := range m.Instances {
		if r := &m.Instances[n]; r.Container == container && r.Restart == restart {
			return r
		}
	}
	c.t.Fatalf("manifest of %s has no %s.%d: %+v", m.Pod.Pod, container, restart, m.Instances)
	return nil
}
