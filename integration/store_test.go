//go:build integration

package integration

import (
	"crypto/rand"
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestFaultNone runs one Job to its end over each kind of store.
func TestFaultNone(t *testing.T) {
	for name, open := range map[string]func(*testing.T) archive.Store{
		"memory": func(*testing.T) archive.Store { return nil },
		"dir": func(t *testing.T) archive.Store {
			s, err := dir.Open(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"s3": func(t *testing.T) archive.Store { return openGateway(t, gateway.Start(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			r, p, c := started(t, setting{store: open(t)})
			write(c, 0, 1000)
			c.Exit(0)
			r.complete(p, c)
		})
	}
}

func openGateway(t *testing.T, g *gateway.Gateway) archive.Store {
	g.Setenv()
	s, err := s3.Open(t.Context(), s3.Config{Bucket: g.Bucket, Region: g.Region, Endpoint: g.Endpoint, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFaultStore breaks the store from before a pod's end, reads another pod meanwhile, and mends it.
func TestFaultStore(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for name, effect := range map[string]storetest.Effect{
		"503":                        storetest.NotStored(errors.New("status 503: SlowDown")),
		"403":                        storetest.NotStored(errors.New("status 403: AccessDenied")),
		"404 bucket":                 storetest.NotStored(errors.New("status 404: NoSuchBucket")),
		"refused":                    storetest.NotStored(refused),
		"stored but reported failed": storetest.Stored(errors.New("status 500: InternalError")),
		"slow":                       storetest.Slow(1 << 10),
		"black hole":                 nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setting{})
			release := make(chan struct{})
			if effect == nil {
				effect = storetest.HoldUntil(release)
			}
			r.store.Break(storetest.Fault{Op: storetest.OpPut, Times: -1, Effect: effect}, storetest.Fault{Op: storetest.OpGet, Times: -1, Effect: effect})
			r.start()
			p, c := r.running()
			r.followed(c)
			write(c, 0, 100)
			c.Exit(0)
			r.await("a put that breaks", func() bool { return r.store.Count(storetest.OpPut).Requests > 0 })
			// A reader is never blocked by the store, be it of a pod that had ended before it was seen.
			q, d := r.running()
			write(d, 0, 100)
			d.Exit(0)
			r.await("the other pod's log", func() bool { return r.settled(q, d) })
			r.store.Mend()
			close(release)
			r.complete(p, c)
			r.complete(q, d)
		})
	}
}

// TestFaultGatewayDies kills a real S3 server while pods end, and starts it again.
func TestFaultGatewayDies(t *testing.T) {
	g := gateway.Start(t)
	r, p, c := started(t, setting{store: openGateway(t, g)})
	write(c, 0, 1000)
	g.Kill()
	c.Exit(0)
	r.await("a failed try", func() bool { return r.daemon.value("epilogue_store_failures_total") > 0 })
	g.Restart()
	r.complete(p, c)
}

// TestFaultOneWrite breaks each of the sealer's writes once, in both ways, and crashes the daemon right before and
// right after it.
func TestFaultOneWrite(t *testing.T) {
	for _, key := range []string{"*.log.zst", "*/manifest.json", "v1/_index/day/*"} {
		for _, how := range []string{"not stored", "stored, but an error", "crash before", "crash after"} {
			t.Run(key+" "+how, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, setting{})
				crashed := make(chan struct{})
				crash := func() {
					r.freeze()
					close(crashed)
				}
				effect := map[string]storetest.Effect{
					"not stored": storetest.NotStored(nil), "stored, but an error": storetest.Stored(nil),
					"crash before": storetest.Before(crash), "crash after": storetest.After(crash),
				}[how]
				r.store.Break(storetest.Fault{Op: storetest.OpPut, Key: key, Effect: effect})
				r.start()
				p, c := r.running()
				write(c, 0, 100)
				c.Exit(0)
				if strings.HasPrefix(how, "crash") {
					<-crashed
					r.stop()
					r.start()
				}
				r.complete(p, c)
				r.await("the spool to be empty", func() bool { return r.daemon.spool.Open() == 0 })
				r.store.VerifyAllFired(t)
			})
		}
	}
}

// TestFaultManyLogsSlowStore has 500 logs over a store that takes 1 KiB/s: the logs wait on disk and memory stays flat.
// It runs alone, for it measures the whole process.
func TestFaultManyLogsSlowStore(t *testing.T) {
	const logs, lines, limit = 500, 40, 96 << 20
	r := newRig(t, setting{quiet: true})
	r.store.Break(storetest.Fault{Op: storetest.OpPut, Times: -1, Effect: storetest.Slow(1 << 10)})
	r.start()
	pods, instances := make([]*kubelet.Pod, logs), make([]*kubelet.Instance, logs)
	var work errgroup.Group
	work.SetLimit(8)
	for n := range logs {
		work.Go(func() error {
			pods[n], instances[n] = r.running()
			for line := range lines {
				c := instances[n]
				c.Write(at(time.Duration(line)*time.Millisecond), rand.Text()+strings.Repeat(rand.Text(), 30))
			}
			instances[n].Exit(0)
			return nil
		})
	}
	_ = work.Wait() // gives no error
	before := heapInUse()
	var peak uint64
	r.await("every log to be read to its end", func() bool {
		peak = max(peak, heapInUse())
		open, _ := r.daemon.budget.Open()
		unsealed, _ := r.daemon.watcher.Backlog()
		return open == 0 && unsealed+int(r.daemon.value("epilogue_pods_sealed_total")) == logs && r.daemon.value("epilogue_log_lines_total") == logs*lines
	})
	used, _ := r.daemon.spool.Used()
	t.Logf("heap in use: %d MiB before, at most %d MiB while %d KiB wait on disk", before>>20, peak>>20, used>>10)
	if peak > limit {
		t.Errorf("got %d MiB of heap in use, want at most %d", peak>>20, limit>>20)
	}
	r.store.Mend()
	for n := range logs {
		r.complete(pods[n], instances[n])
	}
}

// heapInUse returns the bytes that the live heap takes.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
