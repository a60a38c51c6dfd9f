//go:build integration && faults

package integration

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestFaultHostileReader: one reader asks, again and again and many times at once, what costs most of all that is
// allowed, beside 500 logs that are written and rotated all the while: no log has a gap, and all that he asks takes 64
// MiB at most. The same logs are written before that without him, so that what is his is told from what is theirs. It
// measures the whole process, and on a busy machine the logs have gaps without him, too: so it is one of `make faults`.
// The bound itself is tested in archive and serve.
func TestFaultHostileReader(t *testing.T) {
	const logs, most = 500, 64 << 20
	r := newRig(t, setting{quiet: true, patience: 4 * patience})
	r.start()
	r.allow("reader", "get", "pods/log")
	r.allow("reader", "list", "pods")
	bait, feed := r.running() // the log that the expressions chew on
	for n := range 500 {
		feed.Write(at(time.Duration(n)*time.Microsecond), strings.Repeat("ab", 2<<10))
	}
	pods, instances := r.many(logs)
	w := r.write(instances)
	alone := w.watched(1)
	if n := r.daemon.value("epilogue_log_gaps_total"); n > 0 {
		t.Fatalf("got %v gaps without the reader, want none: this machine is too slow to tell", n)
	}
	enemy := r.hostile()
	r.await("hostile answers under way", func() bool { return enemy.asked.Load() > 50 })
	with := w.watched(2)
	asked, refused := enemy.asked.Load(), enemy.refused.Load()
	enemy.stop()
	w.stop()
	for n, c := range instances {
		c.Write(time.Now(), fmt.Sprintf("the last words of %d", n)) // a file that is empty at the end would prove less
		c.Exit(0)
	}
	t.Logf("%d hostile questions, %d refused; at most %d MiB are held without them, and %d MiB with them", asked, refused, alone>>20, with>>20)
	if with > alone+most {
		t.Errorf("got %d MiB for the reader, want at most %d", (with-alone)>>20, most>>20)
	}
	feed.Exit(0)
	r.complete(bait, feed)
	for n := range pods {
		r.complete(pods[n], instances[n])
	}
}

// many makes pods whose logs are followed.
func (r *rig) many(n int) ([]*kubelet.Pod, []*kubelet.Instance) {
	r.t.Helper()
	pods, instances := make([]*kubelet.Pod, n), make([]*kubelet.Instance, n)
	var work errgroup.Group
	work.SetLimit(8)
	for i := range n {
		work.Go(func() error {
			pods[i], instances[i] = r.running()
			return nil
		})
	}
	_ = work.Wait() // gives no error
	for _, c := range instances {
		r.followed(c)
	}
	return pods, instances
}

// writing has logs written, two lines a second each, and rotated as a kubelet does: it looks at the size of each every
// ten seconds.
type writing struct {
	rig     *rig
	rotated atomic.Int64 // times that all logs were
	cancel  context.CancelFunc
	work    sync.WaitGroup
}

func (w *writing) stop() {
	w.cancel()
	w.work.Wait()
}

func (r *rig) write(instances []*kubelet.Instance) *writing {
	const pause, looks = 500 * time.Millisecond, 20
	ctx, cancel := context.WithCancel(r.ctx)
	w := &writing{rig: r, cancel: cancel}
	w.work.Go(func() {
		beat := time.NewTicker(pause)
		defer beat.Stop()
		for n := 1; ; n++ {
			select {
			case <-beat.C:
			case <-ctx.Done():
				return
			}
			for _, c := range instances {
				c.Write(time.Now(), fmt.Sprintf("line %d %s", n, strings.Repeat("x", 100)))
			}
			if n%looks == 0 {
				for _, c := range instances {
					c.Rotate()
				}
				w.rotated.Add(1)
			}
		}
	})
	r.t.Cleanup(w.stop)
	return w
}

// watched waits until all logs were rotated so many times more, and returns the most memory that was held meanwhile.
func (w *writing) watched(times int64) (peak int64) {
	w.rig.t.Helper()
	until, next := w.rotated.Load()+times, time.Now()
	w.rig.await("rotations", func() bool {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second) // to collect garbage takes time of its own
			peak = max(peak, live())
		}
		return w.rotated.Load() >= until
	})
	return peak
}

// live returns the bytes of all that was in use when the collector was last begun. Unlike held it leaves out what came
// while the collector was at work, which, beside somebody who asks on and on, is garbage for the most part.
func live() (bytes int64) {
	runtime.GC()
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 1<<14)
	n, ok := runtime.MemProfile(records, false)
	if !ok {
		panic("integration: there are more than 16,384 places that allocate")
	}
	for i := range records[:n] {
		size, count := float64(records[i].InUseBytes()), float64(records[i].InUseObjects())
		if count > 0 { // one in so many bytes is looked at
			bytes += int64(size / (1 - math.Exp(-size/count/float64(runtime.MemProfileRate))))
		}
	}
	return bytes
}

// enemy asks on and on.
type enemy struct {
	asked, refused atomic.Int64
	cancel         context.CancelFunc
	work           sync.WaitGroup
}

func (e *enemy) stop() {
	e.cancel()
	e.work.Wait()
}

// hostile begins to ask for the worst that one reader may ask for: by as many connections as he may have at most, and
// anew when he is answered.
func (r *rig) hostile() *enemy {
	r.t.Helper()
	log := "/jobs/" + r.job.Name + "/log?"
	ask := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	const slow = "(a|b.?){200}c"
	questions := []string{
		log + ask("grep", slow, "ignoreCase", "true"),
		log + ask("grep", slow, "follow", "true", "before", "1000", "after", "1000"),
		log + ask("grep", strings.Repeat("(?i)[^a]*b|", 80)+"c", "invert", "true", "tailLines", "1"),
		log + ask("grep", "nowhere", "fixed", "true", "before", "1000", "follow", "true", "format", "sse"),
		log + ask("format", "zenml"),
		"/jobs?" + ask("continue", base64.RawURLEncoding.EncodeToString([]byte("day/9999-12-31/x")), "limit", "1000"),
		"/jobs?" + ask("since", "100000h", "limit", "1000"),
	}
	base, token := r.api().URL+"/api/v1/namespaces/"+r.ns, r.token("reader", "epilogue")
	ctx, cancel := context.WithCancel(r.ctx)
	e := &enemy{cancel: cancel}
	for _, question := range questions {
		for range 8 {
			e.work.Go(func() {
				for ctx.Err() == nil {
					e.ask(ctx, base+question, token)
				}
			})
		}
	}
	r.t.Cleanup(e.stop)
	return e
}

// ask reads an answer to its end. A refusal is one, too.
func (e *enemy) ask(ctx context.Context, url, token string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic("integration: a request of our own is one: " + err.Error())
	}
	request.Header.Set("Authorization", "Bearer "+token)
	e.asked.Add(1)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return // it was told to stop
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusTooManyRequests {
		e.refused.Add(1)
	}
	_, _ = io.Copy(io.Discard, answer.Body) // ends with the answer or with the context
}
