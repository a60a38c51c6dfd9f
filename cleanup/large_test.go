package cleanup

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/work"
)

// distant is a store that takes its time for each request.
type distant struct {
	archive.Store
	delay time.Duration
}

func (d *distant) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	time.Sleep(d.delay)
	return d.Store.Put(ctx, key, body, opts)
}

func (d *distant) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	time.Sleep(d.delay)
	return d.Store.Get(ctx, key, r)
}

// List is a request for each thousand objects, as of S3.
func (d *distant) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		n := 0
		for o, err := range d.Store.List(ctx, prefix, after) {
			if n++; n%1000 == 1 {
				time.Sleep(d.delay)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// plant is a bench whose store is far away, with the real sealer before it. The watcher's part, to seal pods and then
// to write the document, is played with its queues and as many workers as it has.
type plant struct {
	*bench
	store     *distant
	sealer    *seal.Sealer
	pods      work.Queue[*corev1.Pod]
	documents work.Queue[*batchv1.Job]
	mu        sync.Mutex
	left      map[string]int // guarded by mu; pods by Job that are not sealed
	opened    map[string]time.Duration
}

func newPlant(b *bench, delay time.Duration) *plant {
	codec, err := format.NewCodec()
	if err != nil {
		b.t.Fatal(err)
	}
	spool, err := spool.Open(spool.Config{Dir: b.t.TempDir(), Limit: 1 << 20, Memory: 1 << 20}, codec, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	store := &distant{storetest.NewMemory(b.t), delay}
	p := &plant{
		bench: b, store: store, sealer: seal.New(store, spool, "replica", slog.New(slog.DiscardHandler), func(err error) { b.t.Error(err) }),
		pods: work.New[*corev1.Pod](""), documents: work.New[*batchv1.Job](""), left: map[string]int{}, opened: map[string]time.Duration{},
	}
	b.store = p.sealer
	return p
}

// run starts all, and notes when each gate opens.
func (p *plant) run() {
	begin := time.Now()
	changed := p.api.changed
	p.api.changed = func(o metav1.Object, gone bool) {
		if j, ok := o.(*batchv1.Job); ok && j.Annotations[mark.Verdict] != "" {
			p.mu.Lock()
			if p.opened[j.Name] == 0 {
				p.opened[j.Name] = time.Since(begin)
			}
			p.mu.Unlock()
		}
		changed(o, gone)
	}
	p.start()
	const sealers, writers = 32, 4 // the default, and what the watcher has
	ctx, cancel := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	work.Start(ctx, &workers, sealers, p.pods, p.sealOne)
	work.Start(ctx, &workers, writers, p.documents, p.write)
	stop := p.stop
	p.stop = func() {
		cancel()
		p.pods.ShutDown()
		p.documents.ShutDown()
		workers.Wait()
		stop()
	}
}

func (p *plant) sealOne(ctx context.Context, pod *corev1.Pod) error {
	ref := pods.Ref(pod)
	m := &archive.Manifest{
		Pod:       archive.PodSummary{PodRef: ref, Phase: "Succeeded", CreatedAt: time.Now()},
		Instances: []archive.InstanceRecord{{Instance: archive.Instance{PodRef: ref, Container: "main"}, Verdict: archive.Complete}},
	}
	if err := p.sealer.Pod(ctx, m); err != nil {
		return err
	}
	p.lookout.mu.Lock()
	p.lookout.sealed[pod.UID] = true
	p.lookout.mu.Unlock()
	p.mu.Lock()
	p.left[ref.Job]--
	last := p.left[ref.Job] == 0
	p.mu.Unlock()
	if last {
		p.documents.Add(p.job(ref.Job))
	}
	if p.janitor != nil {
		p.janitor.Notice(jobOf(pod))
	}
	return nil
}

func (p *plant) write(ctx context.Context, j *batchv1.Job) error {
	ref := archive.PodRef{Namespace: j.Namespace, Job: j.Name, JobUID: archive.JobUID(j.UID)}
	written, err := p.sealer.Job(ctx, ref, &archive.JobDocument{Namespace: j.Namespace, Job: archive.JobSummary{Name: j.Name, UID: ref.JobUID}})
	if err == nil {
		p.janitor.Settled(j.UID, written)
	}
	return err
}

// ended makes a Job with as many pods that has just ended, and carries the gate.
func (p *plant) ended(name string, pods int) {
	now := metav1.Now()
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: []string{mark.Finalizer}},
		Status: batchv1.JobStatus{
			Succeeded: int32(pods), StartTime: &now,
			Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now}},
		},
	}
	p.api.create(j)
	p.mu.Lock()
	p.left[name] = pods
	p.mu.Unlock()
	for n := range pods {
		pod := p.podOf(j, fmt.Sprintf("%s-%d", name, n))
		pod.Status = corev1.PodStatus{Phase: corev1.PodSucceeded, StartTime: &now}
		p.api.create(pod)
		p.pods.Add(pod)
	}
}

// TestFiveThousandPodsOverASlowStore: of one Job, at 300 ms a request and with the default settings, from their end to
// the open gate.
func TestFiveThousandPodsOverASlowStore(t *testing.T) {
	const pods = 5000 / fewer
	for name, deleted := range map[string]bool{"finished": false, "and deleted": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				p := newPlant(b, 300*time.Millisecond)
				p.ended("large", pods)
				p.run()
				if deleted {
					b.remove(b.job("large"))
				}
				after(10 * time.Minute)
				if p.opened["large"] == 0 {
					t.Fatalf("the gate is closed after 10 minutes, with %d pods to seal", p.left["large"])
				}
				if got := b.job("large"); deleted != (got == nil) || !deleted && (closed(got) || got.Annotations[mark.Verdict] != string(archive.Complete)) {
					t.Errorf("got %v, want it free and complete", got)
				}
				t.Logf("released after %s", p.opened["large"])
			})
		})
	}
}

// TestLargeJobsHoldUpNoOther: more of them than there are workers are read at once, for a minute each, and small ones
// that end meanwhile are released soon.
func TestLargeJobsHoldUpNoOther(t *testing.T) {
	inBubble(t, func(b *bench) {
		const large, pods = 12, 500
		p := newPlant(b, 0)
		for n := range large {
			p.ended(fmt.Sprintf("large-%d", n), pods)
		}
		for p.pods.Len() > 0 {
			pod, _ := p.pods.Get()
			if err := p.sealOne(b.t.Context(), pod); err != nil {
				b.t.Fatal(err)
			}
			p.pods.Done(pod)
		}
		p.store.delay = 2 * time.Second
		p.run()
		for n := range 10 {
			p.ended(fmt.Sprintf("small-%d", n), 1)
			after(5 * time.Second)
		}
		after(30 * time.Minute)
		var last time.Duration
		for name, at := range p.opened {
			if _, small := strings.CutPrefix(name, "small-"); small {
				last = max(last, at)
			}
		}
		if got, want := len(p.opened), large+10; got != want {
			t.Errorf("got %d gates open, want %d", got, want)
		}
		if last > 2*time.Minute {
			t.Errorf("small Jobs waited until %s, want them done within 2 minutes: %v", last, p.opened)
		}
	})
}
