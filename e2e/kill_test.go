//go:build e2e

package e2e

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// TestDaemonIsKilled has a daemon of its own, for what it does to it. The pod and so the spool stay, as after a crash.
func TestDaemonIsKilled(t *testing.T) {
	t.Parallel()
	s := own(t, stage.Config{Namespace: "epilogue-e2e-kill"})
	t.Run("once", func(t *testing.T) { killedOnce(t, s) })
	t.Run("often", func(t *testing.T) { killedOften(t, s) })
	t.Run("replaced", func(t *testing.T) { replaced(t, s) })
	t.Run("crashed", func(t *testing.T) { crashed(t, s) })
}

func killedOnce(t *testing.T, s *stage.Stage) {
	p := start(t, s, s.Job("once", "lines -n 60000 -rate 5000 -size 100"), 3*minute)
	p.talking(20000)
	p.kill(0)
	pod := p.pod(stage.Over)
	p.account(p.manifest(), status(pod, "main").State.Terminated)
}

// A minute long the daemon gets five seconds at a time. A log that does not rotate in so short a while has to be whole
// all the same.
func killedOften(t *testing.T, s *stage.Stage) {
	slow := start(t, s, s.Job("often-slow", "lines -n 3000 -rate 50"), 5*minute)
	fast := start(t, s, s.Job("often-fast", "lines -n 120000 -rate 2000 -size 100"), 5*minute)
	fast.pod(stage.Running)
	running, cancel := context.WithCancel(fast.ctx)
	defer cancel()
	var ended *corev1.Pod
	var waiting sync.WaitGroup
	defer waiting.Wait()
	waiting.Go(func() {
		defer cancel()
		// A pod that never ends is found by its missing manifest.
		ended, _ = s.AwaitPod(running, "often-fast", stage.Over)
	})
	kills := 0
	for restarts := int32(1); running.Err() == nil; restarts++ {
		if !fast.killAfter(running, 5*time.Second, restarts) {
			break
		}
		kills++
	}
	waiting.Wait()
	if kills < 5 {
		t.Errorf("got %d kills, want 5 or more", kills)
	}
	t.Logf("the daemon was killed %d times", kills)
	fast.account(fast.manifest(), status(ended, "main").State.Terminated)
	pod := slow.pod(stage.Over)
	slow.whole(slow.manifest(), "main", 0, status(pod, "main").State.Terminated)
}

// The pod goes, as at an upgrade, and its spool with it. The next one reads from the start what the kubelet still
// serves.
func replaced(t *testing.T, s *stage.Stage) {
	p := start(t, s, s.Job("replaced", "lines -n 1500 -rate 100"), 3*minute)
	p.talking(500)
	pod, err := s.AwaitDaemon(p.ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Client.CoreV1().Pods(s.Namespace).Delete(p.ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	ended := p.pod(stage.Over)
	p.whole(p.manifest(), "main", 0, status(ended, "main").State.Terminated)
}

// killAfter kills the daemon once it has run for so long since its last restart; false: the context ended first.
func (p *play) killAfter(ctx context.Context, d time.Duration, restarts int32) bool {
	p.Helper()
	pod, err := p.AwaitDaemonStart(ctx, restarts)
	if err != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	if err := p.KillDaemon(ctx, pod); err != nil && ctx.Err() == nil {
		p.Fatal(err)
	}
	return true
}

// kill kills the daemon now, once it is ready.
func (p *play) kill(restarts int32) {
	p.Helper()
	pod, err := p.AwaitDaemon(p.ctx, restarts)
	if err != nil {
		p.Fatal(err)
	}
	if err := p.KillDaemon(p.ctx, pod); err != nil {
		p.Fatal(err)
	}
}

// seam is how many lines the runtime may write to a rotated file between its renaming and its reopening. A follower
// that stands at the file's end is never served them, by any request, and nothing tells that they existed: what the
// README says cannot be guaranteed. Some tens of milliseconds on a machine that is busy.
const seam = 100

// maxSeams is how many of the rotations of one log may lose lines so.
const maxSeams = 2

// account checks numbered lines against the truth: none twice, none out of order, and none missing but where the
// manifest has a gap, or at a rotation's seam.
func (p *play) account(m *archive.Manifest, ended *corev1.ContainerStateTerminated) {
	p.Helper()
	p.accountOf(m, "main", ended)
}

func (p *play) accountOf(m *archive.Manifest, container string, ended *corev1.ContainerStateTerminated) {
	p.Helper()
	truth, err := stage.TruthOf(ended)
	if err != nil {
		p.Fatal(err)
	}
	r := p.record(m, container, 0)
	if r.Log == nil {
		p.Fatalf("got no log (%s: %s), want %d lines", r.Verdict, r.Reason, truth.Lines)
	}
	numbers, err := p.Numbers(p.ctx, r.Log.Key)
	if err != nil {
		p.Fatal(err)
	}
	last, missing, seams := int64(0), int64(0), 0
	at := func(i int, next int64) {
		if next == last+1 {
			return
		}
		if next <= last {
			p.Fatalf("line %d has number %d after %d, want a greater one", i+1, next, last)
		}
		missing += next - last - 1
		inside := last > 0 && next <= truth.Lines // neither the start nor the end of a log is a seam
		if inside && next-last-1 <= seam {
			seams++
			p.Logf("%s: lines %d to %d are missing at a seam", p.job, last+1, next-1)
			return
		}
		if !slices.ContainsFunc(r.Gaps, func(g archive.Gap) bool {
			return g.AfterLine <= int64(i) && int64(i) <= max(g.AfterLine, g.ThroughLine)
		}) {
			p.Errorf("lines %d to %d are missing after line %d, and no gap says so; got gaps %+v", last+1, next-1, i, r.Gaps)
		}
	}
	for i, n := range numbers {
		at(i, n)
		last = n
	}
	at(len(numbers), truth.Lines+1)
	if seams > maxSeams {
		p.Errorf("got %d holes that no gap tells of, want %d at most", seams, maxSeams)
	}
	p.Logf("%s: %d lines of %d kept, %d missing in %d gaps, verdict %s, %d seams", p.job, len(numbers), truth.Lines, missing, len(r.Gaps), r.Verdict, r.Seams)
	if got, err := p.Measured(p.ctx, r.Log.Key); err != nil || missing == 0 && got != truth {
		p.Errorf("log object holds %+v (error: %v), want %+v", got, err, truth)
	}
	if missing > int64(seams*seam) && len(r.Gaps) == 0 {
		p.Errorf("got no gap, and %d lines are missing", missing)
	}
	if seams > 0 && r.Seams == 0 {
		p.Errorf("got no seam, and lines are missing at %d", seams)
	}
	p.calledRight(r)
}
