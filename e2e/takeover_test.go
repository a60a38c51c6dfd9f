//go:build e2e

package e2e

import (
	"context"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// TestDaemonPodIsDeleted has the daemon's pod deleted by force, its spool with it, twice, in the middle of a log that the
// kubelet rotates: another pod, maybe on another node, goes on from the journal.
func TestDaemonPodIsDeleted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), openTimeout)
	defer cancel()
	s, err := open(ctx, "epilogue-e2e-takeover")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			s.Dump(os.Stderr)
		}
		shut(s)
	}()
	// 2,000 lines of 100 bytes in a second fill 1 MiB, at which the cluster's kubelets rotate, every five seconds.
	fast := start(t, s, s.Job("fast", "lines -n 120000 -rate 2000 -size 100"), 5*minute)
	slow := start(t, s, s.Job("slow", "lines -n 3000 -rate 50"), 5*minute)
	fast.pod(stage.Running)
	fast.talking(20_000)
	fast.deleteDaemon()
	fast.talking(60_000)
	fast.deleteDaemon()
	ended := fast.pod(stage.Over)
	fast.account(fast.manifest(), status(ended, "main").State.Terminated)
	// Nothing rotated there, so nothing may be missing.
	quiet := slow.pod(stage.Over)
	slow.whole(slow.manifest(), "main", 0, status(quiet, "main").State.Terminated)
}

// deleteDaemon deletes the daemon's pod without any grace, once it is ready: it has taken over by then.
func (p *play) deleteDaemon() {
	p.Helper()
	pod, err := p.AwaitDaemon(p.ctx, 0)
	if err != nil {
		p.Fatal(err)
	}
	now := int64(0)
	err = p.Client.CoreV1().Pods(pod.Namespace).Delete(p.ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil {
		p.Fatal(err)
	}
}
