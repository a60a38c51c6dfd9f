//go:build integration

package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/takeover"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
	"github.com/epilogue-dev/epilogue/watch"
)

// played is one pod of a Job of its own, and what its container wrote.
type played struct {
	job *batchv1.Job
	pod *kubelet.Pod
	c   *kubelet.Instance
}

// play starts n Jobs with one pod each.
func (r *rig) play(n int) []played {
	r.t.Helper()
	var all []played
	for i := range n {
		job := r.newJob(fmt.Sprintf("job-%d", i))
		p := r.pod(kubelet.Spec{Job: job, Name: fmt.Sprintf("job-%d-pod", i)})
		all = append(all, played{job, p, p.Start("main")})
	}
	return all
}

// writeAll writes lines from..to-1 to each, at the time that it is. Where replicas come and go a script takes seconds,
// and lines that say that none have passed are those of a clock that was set back: others may be hidden behind it, so
// that a rotation in between leaves a doubt.
func writeAll(all []played, from, to int) {
	for _, x := range all {
		for n := from; n < to; n++ {
			x.c.Write(time.Now(), fmt.Sprintf("line %d", n))
		}
	}
}

// journaled waits until the replicas have, all together, every line of the pods in a journal.
func (r *rig) journaled(all []played, replicas ...*replica) {
	r.t.Helper()
	r.await("the journals", func() bool {
		for _, x := range all {
			if !slices.ContainsFunc(replicas, func(p *replica) bool { return p.has(x) }) {
				return false
			}
		}
		return !slices.ContainsFunc(replicas, func(p *replica) bool { return p.journal.Lag() > 0 })
	})
}

func (p *replica) has(x played) bool {
	for _, log := range p.spool.Logs(archive.PodUID(x.pod.UID())) {
		if log.Instance().ContainerID == x.c.ID() && log.Summary().Lines == int64(len(x.c.Lines())) {
			return true
		}
	}
	return false
}

// finish ends every pod and checks that nothing is missing outside of gaps that are recorded, and how each is called.
func (r *rig) finish(all []played, judge func(archive.InstanceRecord, *kubelet.Instance) error) {
	r.t.Helper()
	for _, x := range all {
		x.c.Exit(0)
	}
	for _, x := range all {
		r.job = x.job
		record := r.proven(x.pod, x.c)
		if err := judge(record, x.c); err != nil {
			r.t.Errorf("%s: %v", x.pod.Name(), err)
		}
	}
}

func inDoubt(record archive.InstanceRecord, _ *kubelet.Instance) error {
	if record.Verdict != archive.Partial {
		return fmt.Errorf("got verdict %s (%s), want %s", record.Verdict, record.Reason, archive.Partial)
	}
	return nil
}

// owned counts the Jobs that each replica owns in the end, and checks that each is owned by one.
func owned(t *testing.T, all []played, replicas ...*replica) {
	t.Helper()
	for _, x := range all {
		n := 0
		for _, p := range replicas {
			if p.watcher.Owns(x.job.UID) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("Job %s is owned by %d replicas, want 1", x.job.Name, n)
		}
	}
}

// TestTakeoverKilled has one of three replicas killed with its disk after the kubelet has lost what it held.
func TestTakeoverKilled(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	a, b, c := r.replica("a"), r.replica("b"), r.replica("c")
	r.settleOn(a, b, c)
	all := r.play(12)
	writeAll(all, 0, 50)
	r.journaled(all, a, b, c)
	for _, x := range all {
		x.c.Rotate() // from now on only the journals know the first lines
	}
	writeAll(all, 50, 100)
	r.journaled(all, a, b, c)
	owned(t, all, a, b, c)
	a.kill()
	writeAll(all, 100, 200)
	r.settleOn(b, c)
	r.followedAll(all)
	r.finish(all, oracle.Whole)
	if b.value("epilogue_pods_taken_over_total")+c.value("epilogue_pods_taken_over_total") == 0 {
		t.Error("nothing was taken over: the test has shown nothing")
	}
}

// TestTakeoverKilledTwice: the only replica is killed with its disk, twice, each time replaced by one under another
// name, and the log rotated beyond what the next one can join to: what is missing or in doubt is in a gap, what was
// journaled is kept.
func TestTakeoverKilledTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	all := r.play(4)
	at := 0
	for _, name := range []string{"x", "y"} {
		p := r.replica(name)
		writeAll(all, at, at+50)
		r.journaled(all, p)
		p.kill()
		for _, x := range all {
			x.c.Rotate()
		}
		writeAll(all, at+50, at+100) // the last of these are served to the next one
		at += 100
	}
	r.replica("z")
	r.followedAll(all)
	r.finish(all, inDoubt)
	for _, x := range all {
		r.job = x.job
		if record := r.record(r.manifest(x.pod), x.c); record.Log.Lines != 200 {
			t.Errorf("%s: got %d lines, want all 200, with the gaps only in doubt", x.pod.Name(), record.Log.Lines)
		}
	}
}

// TestTakeoverOrphan has a pod that goes away between the death of its owner and the takeover.
func TestTakeoverOrphan(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	a := r.replica("a")
	all := r.play(3)
	writeAll(all, 0, 50)
	r.journaled(all, a)
	a.kill()
	now := int64(0)
	for _, x := range all {
		err := r.set.plane.Client().CoreV1().Pods(r.ns).Delete(r.ctx, x.pod.Name(), metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.replica("b")
	for _, x := range all {
		r.job = x.job
		record := r.record(r.manifest(x.pod), x.c)
		if got, want := record.Verdict, archive.Partial; got != want || record.Log.Lines != 50 {
			t.Errorf("%s: got verdict %s (%s) and log %+v, want %s and 50 lines", x.pod.Name(), got, record.Reason, record.Log, want)
		}
	}
}

// TestTakeoverRestarts has a container whose first instance the pod's status does not name any more when its owner
// dies.
func TestTakeoverRestarts(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	a := r.replica("a")
	p := r.pod(kubelet.Spec{Restart: corev1.RestartPolicyOnFailure})
	var attempts []played
	for n := range 3 {
		x := played{r.job, p, p.Start("main")}
		attempts = append(attempts, x)
		write(x.c, 100*n, 100*n+20)
		r.journaled([]played{x}, a)
		if n < 2 {
			x.c.Exit(1)
		}
	}
	a.kill()
	r.replica("b")
	r.followed(attempts[2].c)
	attempts[2].c.Exit(1)
	p.Finish(corev1.PodFailed, "", "")
	m := r.manifest(p)
	for n, x := range attempts {
		record := r.record(m, x.c)
		if got, want := int64(len(r.lines(record))), int64(20); got != want {
			t.Errorf("attempt %d: got %d lines (%s: %s), want %d", n, got, record.Verdict, record.Reason, want)
		}
	}
}

// TestTakeoverPaused has a replica that stands still past its Lease and then goes on where it was.
func TestTakeoverPaused(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	a, b := r.replica("a"), r.replica("b")
	r.settleOn(a, b)
	all := r.play(8)
	writeAll(all, 0, 100)
	r.journaled(all, a, b)
	a.gate.Shut()
	writeAll(all, 100, 150)
	r.settleOn(b)
	writeAll(all, 150, 200)
	r.followedAll(all)
	half := all[:4]
	r.finish(half, oracle.Whole) // some are sealed without it
	a.gate.Open()
	r.settleOn(a, b)
	owned(t, all, a, b)
	writeAll(all[4:], 200, 300)
	r.followedAll(all[4:])
	r.finish(all[4:], oracle.Whole)
}

// TestTakeoverScale goes from one replica to three and back, gently: nothing is lost, whatever the kubelet rotates.
func TestTakeoverScale(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	a := r.replica("a")
	all := r.play(12)
	at := 0
	more := func(replicas ...*replica) {
		t.Helper()
		r.settleOn(replicas...)
		owned(t, all, replicas...)
		writeAll(all, at, at+50)
		at += 50
		r.journaled(all, replicas...)
	}
	more(a)
	b := r.replica("b")
	more(a, b)
	c := r.replica("c")
	more(a, b, c)
	a.stop()
	more(b, c)
	b.stop()
	more(c)
	for _, x := range all {
		x.c.Rotate()
	}
	writeAll(all, at, at+50)
	r.followedAll(all)
	r.finish(all, oracle.Whole)
}

// settleOn waits until the replicas see each other and nobody else.
func (r *rig) settleOn(replicas ...*replica) {
	r.t.Helper()
	var names []string
	for _, p := range replicas {
		names = append(names, p.name)
	}
	slices.Sort(names)
	r.await(fmt.Sprintf("%v to see each other", names), func() bool {
		return !slices.ContainsFunc(replicas, func(p *replica) bool { return !p.watcher.SharesWith(names) })
	})
}

func (r *rig) followedAll(all []played) {
	r.t.Helper()
	for _, x := range all {
		r.followed(x.c)
	}
}

var _ watch.Journal = (*takeover.Taker)(nil)
