//go:build integration

package kubelet

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/epilogue-dev/epilogue/integration/controlplane"
)

var (
	plane *controlplane.ControlPlane
	nodes atomic.Int64
)

func TestMain(m *testing.M) {
	os.Exit(controlplane.Run(m, func(cp *controlplane.ControlPlane) {
		plane = cp
		if err := cp.StartJobController(); err != nil {
			panic(err)
		}
	}))
}

func TestAPIServer(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := New(t, plane.Client(), fmt.Sprintf("node-%d", nodes.Add(1)), c.opts...)
			c.run(&bed{t: t, k: k, client: plane.Client(), ns: plane.Namespace(t)})
		})
	}
}

// TestManyFollowers opens two thousand streams through the API server and reports what the node pays for each.
func TestManyFollowers(t *testing.T) {
	const count = 2000
	k := New(t, plane.Client(), fmt.Sprintf("node-%d", nodes.Add(1)))
	ns := plane.Namespace(t)
	instances := make([]*Instance, count)
	var work errgroup.Group
	work.SetLimit(16)
	for n := range instances {
		work.Go(func() error {
			instances[n] = k.Pod(ns, Spec{Name: fmt.Sprintf("p-%d", n)}).Start("main")
			instances[n].Write(at(0), "hello")
			return nil
		})
	}
	_ = work.Wait() // gives no error
	begin, before := time.Now(), heap()
	followers, ctx := errgroup.WithContext(t.Context())
	// All at once, Go's HTTP/2 client gives up on connections that are still being made.
	opening := make(chan struct{}, 64)
	for n := range instances {
		followers.Go(func() error {
			opening <- struct{}{}
			body, err := plane.Client().CoreV1().Pods(ns).GetLogs(fmt.Sprintf("p-%d", n), &following).Stream(ctx)
			<-opening
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }() // only read from
			text, err := io.ReadAll(body)
			if got, want := string(text), "hello\nbye\n"; err == nil && got != want {
				return fmt.Errorf("log of p-%d: got %q, want %q", n, got, want)
			}
			return err
		})
	}
	for _, c := range instances {
		if err := c.WaitFollowed(ctx, 1); err != nil {
			t.Fatalf("%v; the first error: %v", err, followers.Wait())
		}
	}
	if got := k.Counters().Open; got != count {
		t.Errorf("got %d open streams, want %d", got, count)
	}
	t.Logf("%d streams open after %s, %d KiB each in this process, both ends", count, time.Since(begin), (heap()-before)/count>>10)
	for _, c := range instances {
		c.Write(at(1), "bye")
		c.finish(termination{}) // without a status: 2,000 patches would be all that is measured
		c.wake()
	}
	if err := followers.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("all ended after %s", time.Since(begin))
}

// heap returns the bytes that the process has from the system for its heap and stacks.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkReadAPIServer is BenchmarkRead through the API server.
func BenchmarkReadAPIServer(b *testing.B) {
	k := New(b, plane.Client(), fmt.Sprintf("node-%d", nodes.Add(1)))
	benchRead(b, k, plane.Client(), plane.Namespace(b))
}
