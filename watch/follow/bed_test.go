package follow

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/pause"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// bed is one pod on a fake node with a follower, a spool and a sealer, all inside a synctest bubble. The follower is
// what is tested; Watcher's part is played by end.
type bed struct {
	t     *testing.T
	k     *kubelet.Kubelet
	pod   *kubelet.Pod
	c     *kubelet.Instance
	store *storetest.Faulty
	cfg   Config
	limit int64 // of the spool, on disk
	held  int64 // of the spool, in memory
	said  *watchtest.Transcript

	looker   Looker        // nil: one that sees the pod as it is
	before   func(Request) // called before each request, if set
	deleting atomic.Bool   // the pod is being deleted
	gone     atomic.Bool   // it is, and another one may have its name

	dir    string
	lives  int
	life   *life // nil: the daemon is down
	follow *metrics.Follow
}

// life is one life of the daemon.
type life struct {
	cancel context.CancelFunc
	spool  *spool.Spool
	sealer *seal.Sealer
	log    *spool.Log
	codec  *format.Codec
	work   sync.WaitGroup
	sealed chan archive.InstanceRecord
}

// usual are the settings of a daemon, but that answers take no time here.
var usual = Config{StallAfter: time.Minute, ReconnectAfter: 3 * time.Hour, SettleDelay: 2 * time.Second, GiveUpAfter: time.Hour, EndsAtOnce: time.Millisecond}

// inBubble runs a test over a bed whose container runs.
func inBubble(t *testing.T, test func(*bed), node ...kubelet.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newBed(t, node...)) })
}

func newBed(t *testing.T, node ...kubelet.Option) *bed {
	b := &bed{
		t: t, k: kubelet.New(t, nil, "node", node...), store: &storetest.Faulty{Store: storetest.NewMemory(t)}, cfg: usual,
		limit: 64 << 20, held: 1 << 20, said: &watchtest.Transcript{}, dir: filepath.Join(t.TempDir(), "spool-0"), follow: metrics.NewFollow(prometheus.NewRegistry()),
	}
	b.pod = b.k.Pod("jobs", kubelet.Spec{Name: "pod"})
	b.c = b.pod.Start("main")
	t.Cleanup(func() {
		b.stop()
		if t.Failed() {
			t.Logf("%s", b.said.String())
		}
	})
	return b
}

// start starts a life.
func (b *bed) start() {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{cancel: cancel, sealed: make(chan archive.InstanceRecord, 1)}
	b.life = l
	logger := slog.New(slog.NewTextHandler(b.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if l.codec, err = format.NewCodec(); err != nil {
		b.t.Fatal(err)
	}
	config := spool.Config{Dir: b.dir, Limit: b.limit, Memory: b.held, FlushInterval: time.Second}
	if l.spool, err = spool.Open(config, l.codec, logger); err != nil {
		b.t.Fatal(err)
	}
	l.sealer = seal.New(b.store, l.spool, "test", logger, func(error) {})
	if l.log, err = l.spool.Log(pods.Instances(b.pod.Object())[0]); err != nil {
		b.t.Fatal(err)
	}
	l.work.Go(func() { _ = l.spool.Run(ctx) }) // gives no error
	l.work.Go(func() { b.run(ctx, l, logger) })
}

// run follows and seals, as Watcher has it done: again and again until it works.
func (b *bed) run(ctx context.Context, l *life, logger *slog.Logger) {
	parts := Parts{
		Source: &source{k: b.k, before: b.before}, Budget: NewBudget(10, 100, l.spool.Room), Looker: b.looker, Count: b.follow, Log: logger,
	}
	if parts.Looker == nil {
		parts.Looker = looker{b}
	}
	_, sealed, _ := l.log.Record()
	if !sealed && !l.log.Ended() {
		for New(b.cfg, l.log, parts).Run(ctx) != nil {
			if pause.For(ctx, time.Second) != nil {
				return
			}
		}
	}
	for {
		record, err := l.sealer.Log(ctx, l.log)
		if err == nil {
			l.sealed <- record
			return
		}
		if pause.For(ctx, time.Second) != nil {
			return
		}
	}
}

// stop ends the life gently.
func (b *bed) stop() {
	if b.life != nil {
		b.life.cancel()
		b.life.work.Wait()
		b.life = nil
	}
}

// freeze takes the spool away and ends the life: what was in memory is lost.
func (b *bed) freeze() {
	b.lives++
	next := filepath.Join(filepath.Dir(b.dir), fmt.Sprintf("spool-%d", b.lives))
	if err := os.Rename(b.dir, next); err != nil {
		b.t.Error(err)
	}
	b.dir = next
	b.life.cancel()
}

func (b *bed) crash() {
	b.freeze()
	b.stop()
}

// end waits until the log is sealed and gives its record and what is in the store.
func (b *bed) end(patience time.Duration) (archive.InstanceRecord, []kubelet.Line) {
	b.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case record := <-b.life.sealed:
		return record, b.lines(record)
	case <-timer.C:
		b.t.Fatalf("the log is not sealed after %s", patience)
		return archive.InstanceRecord{}, nil
	}
}

func (b *bed) lines(record archive.InstanceRecord) []kubelet.Line {
	b.t.Helper()
	if record.Log == nil {
		return nil
	}
	var lines []kubelet.Line
	err := archivetest.StoredLines(b.t.Context(), b.life.codec, b.store.Store, record.Log.Key, 0, func(l archive.Line) bool {
		lines = append(lines, kubelet.Line{Time: time.Unix(0, l.Time), Text: string(l.Text), Partial: l.Partial})
		return true
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return lines
}

// proven waits for the seal and holds the archive against what was written.
func (b *bed) proven(patience time.Duration) archive.InstanceRecord {
	b.t.Helper()
	record, lines := b.end(patience)
	if err := oracle.Accounted(lines, b.c.Lines(), record.Gaps); err != nil {
		b.t.Error(err)
	}
	return record
}

// complete is proven without any gap.
func (b *bed) complete() { b.whole(b.proven(time.Hour)) }

// whole: the record is that of a log without a gap, with all its seams.
func (b *bed) whole(record archive.InstanceRecord) {
	b.t.Helper()
	if err := oracle.Whole(record, b.c); err != nil {
		b.t.Errorf("%v; gaps %+v", err, record.Gaps)
	}
}

// write writes lines now.
func (b *bed) write(texts ...string) {
	for _, text := range texts {
		b.c.Write(time.Now(), text)
	}
	synctest.Wait()
}

// source asks the fake node as the API server would. A test may put a Source of its own before it.
type source struct {
	k      *kubelet.Kubelet
	before func(Request) // nil: nothing is to happen before a request
}

func (s *source) Open(ctx context.Context, r Request) (io.ReadCloser, error) {
	if s.before != nil {
		s.before(r)
	}
	return SourceOver(&url.URL{Scheme: "http", Host: "node"}, s.k.Transport()).Open(ctx, r)
}

// looker sees the pod as it is.
type looker struct{ b *bed }

func (l looker) Look(_ context.Context, i archive.Instance, _ bool) (pods.Sight, error) {
	s := pods.SightOf(l.b.pod.Object(), i)
	s.Deleting, s.Gone = l.b.deleting.Load(), l.b.gone.Load()
	return s, nil
}

func (l looker) Changed(archive.Instance) <-chan struct{} { return nil }
