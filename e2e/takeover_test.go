//go:build e2e

package e2e

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// TestDaemonPodIsDeleted: the daemon's pod is deleted by force, its spool with it, twice, in the middle of a log that
// the kubelet rotates: another pod, maybe on another node, goes on from the journal.
func TestDaemonPodIsDeleted(t *testing.T) {
	t.Parallel()
	s := own(t, stage.Config{Namespace: "epilogue-e2e-takeover"})
	// 2,000 lines of 100 bytes in a second fill 1 MiB, at which the cluster's kubelets rotate, every five seconds.
	fast := start(t, s, s.Job("fast", "lines -n 120000 -rate 2000 -size 100"), 5*minute)
	slow := start(t, s, s.Job("slow", "lines -n 3000 -rate 50"), 5*minute)
	fast.pod(stage.Running)
	fast.talking(20_000)
	away := fast.replaceDaemon()
	fast.talking(60_000)
	away = max(away, fast.replaceDaemon())
	ended := fast.pod(stage.Over)
	m := fast.manifest()
	fast.account(m, status(ended, "main").State.Terminated)
	fast.gapsWithin(m, unjournaled+away)
	// Nothing rotated there, so nothing may be missing.
	quiet := slow.pod(stage.Over)
	slow.whole(slow.manifest(), "main", 0, status(quiet, "main").State.Terminated)
}

// unjournaled is how old a line may become before it is in the journal: the interval, and the time of a flush and a put
// on a busy machine.
const unjournaled = 8 * time.Second

// replaceDaemon deletes the daemon's pod without any grace, once it is ready, and returns the time until its successor
// is: it has taken over by then.
func (p *play) replaceDaemon() time.Duration {
	p.Helper()
	pod, err := p.AwaitDaemon(p.ctx, 0)
	if err != nil {
		p.Fatal(err)
	}
	now := int64(0)
	gone := time.Now()
	err = p.Client.CoreV1().Pods(pod.Namespace).Delete(p.ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil {
		p.Fatal(err)
	}
	if _, err := p.AwaitDaemon(p.ctx, 0); err != nil {
		p.Fatal(err)
	}
	return time.Since(gone)
}

// gapsWithin: what the loss of a daemon with its disk costs is what was not in the journal, and what the kubelet
// rotated away until another one read on.
func (p *play) gapsWithin(m *archive.Manifest, most time.Duration) {
	p.Helper()
	for _, g := range p.record(m, "main", 0).Gaps {
		length := time.Duration(g.To - g.From)
		if g.From == 0 || g.To == 0 || length > most {
			p.Errorf("got gap %+v of %s, want one with both its bounds and of %s at most", g, length, most)
		}
		p.Logf("%s: a gap of %s, of %s at most", p.job, length, most)
	}
}
