//go:build integration

package integration

import (
	"context"
	"net/http"
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestFaultEvicted: the kubelet evicts a pod that is under the gate. The log goes with the container, and the pod
// stays. What was served is kept, the gap says why the rest is not there, and the Job is let go.
func TestFaultEvicted(t *testing.T) {
	t.Parallel()
	const lines = 50
	h := settle(t, setting{cleanup: tidy()}, begin)
	job, p, c := h.gated("evicted")
	write(c, 0, lines)
	h.await("the lines", func() bool { return h.held(p, c) == lines })
	fault := c.Inject(&kubelet.Fault{Status: http.StatusInternalServerError, Text: "the node is short of everything"})
	h.node.KillStreams()
	h.await("a stream that is refused", func() bool { return fault.Fired() > 0 })
	write(c, lines, lines+10) // nobody will ever see them
	p.Evict("The node was low on resource: ephemeral-storage.")
	h.node.Heal()
	record := h.partial(p, c, archive.GapEvicted)
	if g := record.Gaps[0]; record.Verdict != archive.Partial || !g.Unproven || g.AfterLine != lines || record.Log.Lines != lines {
		t.Errorf("got verdict %s with %d lines and gap %+v, want partial with an unproven gap after line %d", record.Verdict, record.Log.Lines, g, lines)
	}
	if m := h.manifest(p); m.Pod.Reason != "Evicted" || len(m.Instances) != 1 {
		t.Errorf("got reason %q and %d instances, want Evicted and the one that ran", m.Pod.Reason, len(m.Instances))
	}
	h.letGo(job, archive.GapEvicted)
}

// TestFaultNodeLost: the node of a running pod goes for good. The collector of such pods marks the pod as failed and
// deletes it by force; nobody is left who could say that its container has ended. What was read is sealed all the same,
// with the reason.
func TestFaultNodeLost(t *testing.T) {
	t.Parallel()
	const lines = 50
	h := settle(t, setting{cleanup: tidy()}, begin)
	job, p, c := h.gated("lost")
	write(c, 0, lines)
	h.await("the lines", func() bool { return h.held(p, c) == lines })
	h.node.Down()
	write(c, lines, lines+10) // a node that is cut off runs on
	h.collect(p)
	record := h.partial(p, c, archive.GapNodeLost)
	if g := record.Gaps[0]; record.Verdict != archive.Partial || !g.Unproven || g.AfterLine != lines || record.Log.Lines != lines {
		t.Errorf("got verdict %s with %d lines and gap %+v, want partial with an unproven gap after line %d", record.Verdict, record.Log.Lines, g, lines)
	}
	h.letGo(job, archive.GapNodeLost)
}

// begin is a container that the test plays on.
func begin(_ context.Context, p *kubelet.Pod) { p.Start("main") }

// gated launches a Job, and returns it with its pod once the gate is on and the log is followed.
func (h *house) gated(name string) (*batchv1.Job, *kubelet.Pod, *kubelet.Instance) {
	h.t.Helper()
	job := h.launch(name, nil)
	h.job = job
	p := h.podOf(job)
	h.await("its container", func() bool { return len(p.Instances()) > 0 })
	c := p.Instances()[0]
	h.followed(c)
	h.until("the gate", job, func(j *batchv1.Job) bool { return slices.Contains(j.Finalizers, mark.Finalizer) && j.Status.Active > 0 })
	return job, p, c
}

// letGo checks that the Job has failed and is held no longer, and that its one gap is counted.
func (h *house) letGo(job *batchv1.Job, reason archive.GapReason) {
	h.t.Helper()
	h.until("its end", job, ends)
	h.until("the open gate", job, func(j *batchv1.Job) bool { return !slices.Contains(j.Finalizers, mark.Finalizer) })
	if n := h.daemon.gaps(reason); n != 1 {
		h.t.Errorf("got %v gaps counted as %s, want 1", n, reason)
	}
	if n := h.daemon.gaps(""); n != 1 {
		h.t.Errorf("got %v gaps counted in all, want 1", n)
	}
}

// collect does what the collector of pods does for one whose node is gone: it fails the pod, and deletes it by force.
func (h *house) collect(p *kubelet.Pod) {
	h.t.Helper()
	p.SetCondition(corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC", Message: "PodGC: node no longer exists",
	})
	p.Finish(corev1.PodFailed, "", "")
	now := int64(0)
	err := h.set.plane.Client().CoreV1().Pods(h.ns).Delete(h.ctx, p.Name(), metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil && !apierrors.IsNotFound(err) {
		h.t.Fatal(err)
	}
}

// gaps counts those of a reason; "": all.
func (d *daemon) gaps(reason archive.GapReason) (n float64) {
	families, err := d.metrics.Gather()
	if err != nil {
		panic("integration: a registry of our own always gathers: " + err.Error())
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "epilogue_log_gaps_total" && (reason == "" || m.GetLabel()[0].GetValue() == string(reason)) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
