//go:build integration

package integration

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/controlplane"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
)

// TestFaultCrashLoop has six attempts of one container, two of them within a moment.
func TestFaultCrashLoop(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	r.start()
	p := r.pod(kubelet.Spec{Restart: corev1.RestartPolicyOnFailure})
	var attempts []*kubelet.Instance
	for n := range 6 {
		c := p.Start("main")
		attempts = append(attempts, c)
		for line := range 20 {
			c.Write(time.Now(), fmt.Sprintf("attempt %d line %d", n, line))
		}
		r.await("the attempt's lines", func() bool { return r.held(p, c) == 20 })
		c.Exit(1)
		if n != 0 && n != 1 { // the first two are followed by the next without a pause
			p.Wait("main", "CrashLoopBackOff", "back-off 10s restarting failed container")
			r.await("the attempt's log", func() bool { return r.settled(p, c) })
		}
	}
	p.Finish(corev1.PodFailed, "", "")
	m := r.manifest(p)
	for n, c := range attempts {
		record := r.record(m, c)
		if err := oracle.Accounted(r.lines(record), c.Lines(), record.Gaps); err != nil {
			t.Errorf("attempt %d: %v", n, err)
		}
		if got, want := int64(len(r.lines(record))), int64(20); got != want {
			t.Errorf("attempt %d: got %d lines, want %d", n, got, want)
		}
		// The first two are gone a moment after their end, so that nothing can prove theirs.
		if n > 1 && record.Verdict != archive.Complete {
			t.Errorf("attempt %d: got verdict %s (%s), want complete", n, record.Verdict, record.Reason)
		}
	}
}

// TestFaultRestartStorm has a container that starts anew at once, again and again: nobody can tell whose log is served.
// What is kept must be the instance's own all the same.
func TestFaultRestartStorm(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	r.start()
	p := r.pod(kubelet.Spec{Restart: corev1.RestartPolicyOnFailure})
	var attempts []*kubelet.Instance
	for n := range 20 {
		c := p.Start("main")
		for line := range 20 {
			c.Write(time.Now(), fmt.Sprintf("attempt %d line %d", n, line))
		}
		c.Exit(1)
		attempts = append(attempts, c)
	}
	p.Finish(corev1.PodFailed, "", "")
	m := r.manifest(p)
	if got, want := len(m.Instances), len(attempts); got != want {
		t.Errorf("got %d instances, want %d", got, want)
	}
	for _, record := range m.Instances {
		c := attempts[record.Restart]
		if record.ContainerID != "" && record.ContainerID != c.ID() {
			t.Errorf("restart %d: got container %s, want %s", record.Restart, record.ContainerID, c.ID())
		}
		if err := oracle.Accounted(r.lines(record), c.Lines(), record.Gaps); err != nil {
			t.Errorf("restart %d: %v", record.Restart, err)
		}
	}
}

// TestFaultSameName has a pod that is deleted and made anew under its name.
func TestFaultSameName(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	r.start()
	p := r.pod(kubelet.Spec{Name: "twin"})
	c := p.Start("main")
	write(c, 0, 50)
	r.await("the first one's lines", func() bool { return r.held(p, c) == 50 })
	now := int64(0)
	err := r.set.plane.Client().CoreV1().Pods(r.ns).Delete(r.ctx, p.Name(), metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil {
		t.Fatal(err)
	}
	next := r.pod(kubelet.Spec{Name: "twin"})
	d := next.Start("main")
	write(d, 50, 100)
	r.node.KillStreams()
	r.followed(d)
	d.Exit(0)
	r.complete(next, d)
	record := r.record(r.manifest(p), c)
	if err := oracle.Accounted(r.lines(record), c.Lines(), record.Gaps); err != nil {
		t.Error(err)
	}
	if got, want := record.Verdict, archive.Partial; got != want {
		t.Errorf("got verdict %s, want %s: its end could not be read", got, want)
	}
}

func TestFaultForceDeleted(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 50)
	now := int64(0)
	err := r.set.plane.Client().CoreV1().Pods(r.ns).Delete(r.ctx, p.Name(), metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil {
		t.Fatal(err)
	}
	write(c, 50, 100) // an open stream goes on until the kubelet ends the container
	c.WritePartial(at(time.Second), "last words")
	r.followed(c)
	c.Exit(137)
	record := r.partial(p, c, archive.GapDeleted)
	if got, want := record.Log.Lines, int64(101); got != want {
		t.Errorf("got %d lines, want all %d that were served", got, want)
	}
}

// TestFaultDeletedWhileRunning has a pod that is deleted gently: its log goes soon after its end.
func TestFaultDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{node: []kubelet.Option{kubelet.Linger(time.Second)}})
	write(c, 0, 50)
	grace := int64(30)
	pods := r.set.plane.Client().CoreV1().Pods(r.ns)
	if err := pods.Delete(r.ctx, p.Name(), metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		t.Fatal(err)
	}
	write(c, 50, 100)
	r.followed(c)
	c.Exit(143)
	begin := time.Now()
	time.AfterFunc(time.Second, p.RemoveLogs)
	r.complete(p, c)
	t.Logf("sealed %s after its end", time.Since(begin))
}

// TestFaultWatchGone: the API server is killed and its history compacted, so that every watch must begin anew.
func TestFaultWatchGone(t *testing.T) {
	t.Parallel()
	own := controlplane.Start(t)
	r, p, c := started(t, setting{plane: own})
	write(c, 0, 50)
	gone := r.pod(kubelet.Spec{})
	g := gone.Start("main")
	write(g, 0, 10)
	r.followed(g)
	own.KillAPIServer()
	write(c, 50, 100)
	if err := own.Compact(r.ctx); err != nil {
		t.Fatal(err)
	}
	if err := own.RestartAPIServer(); err != nil {
		t.Fatal(err)
	}
	late := r.pod(kubelet.Spec{})
	l := late.Start("main")
	write(l, 0, 10)
	for _, x := range []*kubelet.Instance{g, l, c} {
		r.followed(x)
		x.Exit(0)
	}
	r.complete(p, c)
	r.complete(gone, g)
	r.complete(late, l)
}

// TestFaultCrash: the daemon crashes again and again between and inside bursts of lines.
func TestFaultCrash(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	for n := range 5 {
		write(c, 100*n, 100*n+50)
		r.restart()
		write(c, 100*n+50, 100*n+100)
	}
	r.followed(c)
	c.Exit(0)
	r.complete(p, c)
}

// TestFaultGoneWhileDown has a pod that ends and goes while no daemon runs: what was held is sealed, and the gap says
// why.
func TestFaultGoneWhileDown(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 50)
	r.await("the lines", func() bool { return r.held(p, c) == 50 })
	r.stop()
	write(c, 50, 60)
	c.Exit(0)
	now := int64(0)
	err := r.set.plane.Client().CoreV1().Pods(r.ns).Delete(r.ctx, p.Name(), metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil {
		t.Fatal(err)
	}
	r.start()
	record := r.partial(p, c, archive.GapRestart)
	if got, want := record.Log.Lines, int64(50); got != want {
		t.Errorf("got %d lines, want the %d that were held", got, want)
	}
	r.await("the spool to be empty", func() bool { return r.daemon.spool.Open() == 0 })
}

// TestFaultEndedWhileDown has a pod that ends while no daemon runs and stays: its log is read then.
func TestFaultEndedWhileDown(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 50)
	r.followed(c)
	r.crash()
	write(c, 50, 100)
	c.Exit(0)
	r.start()
	r.complete(p, c)
	// A pod that is sealed is not sealed again by the next life.
	puts := r.store.Count(storetest.OpPut).Requests
	r.restart()
	q, d := r.running()
	d.Exit(0)
	r.complete(q, d)
	if got, want := r.store.Count(storetest.OpPut).Requests-puts, 2; got != want {
		t.Errorf("got %d puts after the restart, want %d: manifest and index of the other pod", got, want)
	}
}
