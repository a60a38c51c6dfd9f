//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/follow"
)

func timeOf(ns int64) time.Time { return time.Unix(0, ns) }

// base is the node's time at which scripts begin to write.
var base = time.Now().Truncate(time.Second)

// at returns the node's time d after base.
func at(d time.Duration) time.Time { return base.Add(d) }

// write writes lines from..to-1, a millisecond apart.
func write(c *kubelet.Instance, from, to int) {
	for n := from; n < to; n++ {
		c.Write(at(time.Duration(n)*time.Millisecond), fmt.Sprintf("line %d", n))
	}
}

func TestFaultShortLife(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	r.start()
	p, c := r.running()
	write(c, 0, 10)
	c.Exit(0) // the pod has ended before anybody can have looked at it
	r.complete(p, c)
}

func TestFaultCutInsideLine(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	r.node.KillStreams() // the next stream is the one that is cut
	cut := c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 2, AfterBytes: 500, Cut: true})
	write(c, 0, 100)
	r.await("the cuts", func() bool { return cut.Fired() == 2 })
	r.followed(c)
	write(c, 100, 200)
	c.Exit(0)
	r.complete(p, c)
}

func TestFaultErrorText(t *testing.T) {
	for name, fault := range map[string]*kubelet.Fault{
		"at the start":       {Text: "unable to retrieve container logs for containerd://0123"},
		"after good content": {AfterLines: 50, Text: "failed to create fsnotify watcher: too many open files"},
		"inside a line":      {AfterBytes: 777, Text: "rpc error: code = Unavailable desc = connection refused"},
		"of a kind unheard":  {AfterLines: 3, Text: "something broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setting{})
			p, c := r.running()
			fault.On, fault.Times = kubelet.OnFollow, 3
			c.Inject(fault)
			write(c, 0, 100)
			r.start()
			r.await("the faults", func() bool { return fault.Fired() == 3 })
			write(c, 100, 200)
			c.Exit(0)
			r.complete(p, c)
		})
	}
}

// TestFaultErrorTextIsTheLog has a process whose last words look like the kubelet's.
func TestFaultErrorTextIsTheLog(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 10)
	c.WritePartial(at(time.Second), "panic: rpc error: code = Unavailable desc = connection refused")
	c.Exit(2)
	r.complete(p, c)
}

func TestFaultUnscheduled(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	r.start()
	p := r.pod(kubelet.Spec{Unscheduled: true})
	p.Finish(corev1.PodFailed, "Unschedulable", "0/3 nodes are available")
	m := r.manifest(p)
	if len(m.Instances) != 1 || m.Instances[0].Verdict != archive.NeverStarted || m.Instances[0].Log != nil {
		t.Errorf("got %+v, want one instance that never started", m.Instances)
	}
	if !strings.Contains(m.Diagnosis, "0/3 nodes") {
		t.Errorf("got diagnosis %q, want the reason in it", m.Diagnosis)
	}
}

func TestFaultSameTime(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	cut := c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 3, AfterLines: 400, Cut: true})
	r.node.KillStreams()
	for n := range 1000 {
		c.Write(at(0), fmt.Sprintf("line %d", n/2)) // each twice, all at the same time
	}
	r.await("the cuts", func() bool { return cut.Fired() == 3 })
	c.Exit(0)
	r.complete(p, c)
}

func TestFaultClockStepsBack(t *testing.T) {
	for name, between := range map[string]int{"before the break": 10, "in the break": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, p, c := started(t, setting{})
			write(c, 10_000, 10_050)
			r.followed(c)
			back := func(from, to int) {
				for n := from; n < to; n++ {
					c.Write(at(5*time.Second+time.Duration(n)*50*time.Millisecond), fmt.Sprintf("after the step %d", n))
				}
			}
			back(0, between)
			r.followed(c)
			r.node.Down()
			back(between, 200)
			r.node.Up()
			r.followed(c)
			c.Exit(0)
			record := r.record(r.manifest(p), c)
			if got, want := record.Verdict, archive.Complete; got != want {
				t.Errorf("got verdict %s (%s), want %s", got, record.Reason, want)
			}
			r.sameLines(record, c)
		})
	}
}

func TestFaultOutOfOrder(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	cut := c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 2, AfterLines: 60, Cut: true})
	r.node.KillStreams()
	for n := range 200 {
		stamp := at(time.Duration(n) * 10 * time.Millisecond)
		if n%7 == 0 {
			stamp = stamp.Add(-900 * time.Millisecond)
		}
		c.Write(stamp, fmt.Sprintf("line %d", n))
	}
	r.await("the cuts", func() bool { return cut.Fired() == 2 })
	c.Exit(0)
	r.complete(p, c)
}

// TestFaultSplitLines has lines that the runtime splits, with the other output in between: the kubelet glues what does
// not belong together, and the archive holds what was served.
func TestFaultSplitLines(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	cut := c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 3, AfterBytes: 50_000, Cut: true})
	r.node.KillStreams()
	long := strings.Repeat("0123456789abcdef", 40<<10/16)
	for n := range 20 {
		chunks := kubelet.Chunks(at(time.Duration(n)*300*time.Millisecond), kubelet.Stdout, fmt.Sprintf("%d ", n)+long, kubelet.ChunkBytes)
		c.Append(chunks[0])
		c.WriteStderr(at(time.Duration(n)*300*time.Millisecond+time.Microsecond), fmt.Sprintf("err %d", n))
		c.Append(chunks[1:]...)
	}
	r.await("the cuts", func() bool { return cut.Fired() == 3 })
	c.Exit(0)
	r.complete(p, c)
}

func TestFaultLongLine(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	cut := c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 2, AfterBytes: 600_000, Cut: true})
	r.node.KillStreams()
	write(c, 0, 10)
	c.Write(at(time.Second), strings.Repeat("x", 1<<20))
	c.Write(at(2*time.Second), "after")
	r.await("the cuts", func() bool { return cut.Fired() == 2 })
	c.Exit(0)
	r.complete(p, c)
}

func TestFaultNoNewline(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 10)
	c.WritePartial(at(time.Second), "these are the last words")
	c.Exit(1)
	r.complete(p, c)
}

func TestFaultAnyBytes(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	for n, text := range []string{"a\x00b", "\xff\xfe\x80", "", " ", "\x00", "\r", "2026-01-01T00:00:00Z looks like a time", "é\u2028z"} {
		c.Write(at(time.Duration(n)*time.Millisecond), text)
	}
	r.node.KillStreams()
	r.followed(c)
	c.Exit(0)
	r.complete(p, c)
}

// TestFaultHang has a stream that falls silent while the log goes on.
func TestFaultHang(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{follow: func(f *follow.Config) { f.StallAfter = time.Second }})
	p, c := r.running()
	write(c, 0, 10)
	hang := c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 5, Hang: true})
	r.start()
	r.await("the hang", func() bool { return hang.Fired() == 1 })
	write(c, 10, 20)
	r.followed(c)
	if got := r.daemon.value("epilogue_log_streams_stalled_total"); got != 1 {
		t.Errorf("got %v stalled streams, want 1", got)
	}
	c.Exit(0)
	r.complete(p, c)
}

func TestFaultFinalFlush(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 10)
	c.Exit(0)
	write(c, 10, 12) // the runtime writes its last buffer after it reports the exit
	r.complete(p, c)
}
