//go:build integration

package integration

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestJobIsDeletedAfterItsSeal holds the deleted Job by another finalizer, to compare the times.
func TestJobIsDeletedAfterItsSeal(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.TTLSuccess = 0
	h := settle(t, setting{cleanup: s}, quick(0))
	job := h.launch("short", func(j *batchv1.Job) { j.Finalizers = []string{"example.com/hold"} })
	deleted := h.until("its deletion", job, func(j *batchv1.Job) bool { return j.DeletionTimestamp != nil })
	m := h.manifests(job, 1)[0]
	// A deletion's time is in whole seconds.
	if at := deleted.DeletionTimestamp.Add(time.Second); at.Before(m.SealedAt) {
		t.Errorf("got deletion at %s, want it after the manifest at %s", at, m.SealedAt)
	}
	if got, want := deleted.Annotations[mark.Verdict], string(archive.Complete); got != want {
		t.Errorf("got verdict %q, want %s", got, want)
	}
	if got, want := deleted.Annotations[mark.ArchiveKey], m.Pod.JobPrefix(); got != want {
		t.Errorf("got archive key %q, want %s", got, want)
	}
	if slices.Contains(deleted.Finalizers, mark.Finalizer) {
		t.Errorf("got finalizers %v, want the gate off", deleted.Finalizers)
	}
	h.hear(job, "LogsArchived", "complete")
	h.hear(job, "JobExpired", "ttl-success")
}

// TestDeletedJobKeepsItsLog has a Job deleted in the background while it runs.
func TestDeletedJobKeepsItsLog(t *testing.T) {
	t.Parallel()
	h := settle(t, setting{cleanup: tidy()}, chatty)
	job := h.launch("running", nil)
	p := h.podOf(job)
	h.until("the gate", job, func(j *batchv1.Job) bool { return slices.Contains(j.Finalizers, mark.Finalizer) })
	h.until("its pod", job, func(j *batchv1.Job) bool { return j.Status.Active > 0 })
	h.delete(job, metav1.DeletePropagationBackground)
	h.untilGone(job)
	m := h.manifests(job, 1)[0]
	if got, want := m.Instances[0].Verdict, archive.Complete; got != want {
		t.Errorf("got verdict %s (%s), want %s", got, m.Instances[0].Reason, want)
	}
	if got, want := len(h.lines(m.Instances[0])), h.written(p); got != want {
		t.Errorf("got %d lines, want all %d that were written", got, want)
	}
	if got, want := m.Pod.Reason, "DeadlineExceeded"; got != want {
		t.Errorf("got reason %q, want %s: it was ended by its own deadline", got, want)
	}
	h.hear(job, "GateReleased", "archived")
}

// TestNamespaceIsDeleted plays what a namespace's controller does first: the pods go, by a plain deletion, and their
// Job is not touched. Its gate must be open before its turn comes, in the same moment as that of the daemon's Role.
func TestNamespaceIsDeleted(t *testing.T) {
	t.Parallel()
	h := settle(t, setting{cleanup: tidy()}, chatty)
	job := h.launch("going", func(j *batchv1.Job) { *j.Spec.BackoffLimit = 6 })
	p := h.podOf(job)
	h.until("its pod", job, func(j *batchv1.Job) bool { return j.Status.Active > 0 && slices.Contains(j.Finalizers, mark.Finalizer) })
	core := h.set.plane.Client().CoreV1()
	must(t, core.Namespaces().Delete(h.ctx, h.ns, metav1.DeleteOptions{}))
	must(t, core.Pods(h.ns).Delete(h.ctx, p.Name(), metav1.DeleteOptions{}))
	open := h.until("the gate to open", job, func(j *batchv1.Job) bool { return !slices.Contains(j.Finalizers, mark.Finalizer) })
	if open.DeletionTimestamp != nil || open.Annotations[mark.Verdict] == "" || len(h.manifests(job, 1)) != 1 {
		t.Errorf("got %+v, want the gate open before the Job is deleted, with its log sealed", open.ObjectMeta)
	}
}

// TestForegroundDeletion cannot be stopped: what was read is sealed, and what is missing is named.
func TestForegroundDeletion(t *testing.T) {
	t.Parallel()
	h := settle(t, setting{cleanup: tidy(), node: []kubelet.Option{kubelet.Linger(0)}}, chatty)
	job := h.launch("torn", nil)
	h.podOf(job)
	h.until("its pod", job, func(j *batchv1.Job) bool { return j.Status.Active > 0 && slices.Contains(j.Finalizers, mark.Finalizer) })
	h.delete(job, metav1.DeletePropagationForeground)
	h.untilGone(job)
	m := h.manifests(job, 1)[0]
	if r := m.Instances[0]; r.Verdict != archive.Complete && (r.Verdict != archive.Partial || r.Gaps[0].Reason != archive.GapDeleted) {
		t.Errorf("got verdict %s with gaps %v, want complete, or partial for its deletion", r.Verdict, r.Gaps)
	}
}

// TestTTLIsAdopted runs against the real TTL controller, with a store that is down: the Job must outlive its TTL.
func TestTTLIsAdopted(t *testing.T) {
	t.Parallel()
	store := newStop(storetest.NewMemory(t))
	h := settle(t, setting{cleanup: tidy(), store: store}, quick(0))
	store.close()
	ttl := int32(1)
	job := h.launch("ttl", func(j *batchv1.Job) { j.Spec.TTLSecondsAfterFinished = &ttl })
	kept := h.until("its end", job, ends)
	if kept.Spec.TTLSecondsAfterFinished != nil || kept.Annotations[mark.AdoptedTTL] != "1" {
		t.Errorf("got TTL %v and annotations %v, want it moved into the annotation", kept.Spec.TTLSecondsAfterFinished, kept.Annotations)
	}
	// Another Job that the same controller deletes shows that the time has come.
	witness := h.witness(1)
	h.untilGone(witness)
	if j := h.get(job); j == nil || j.DeletionTimestamp != nil {
		t.Fatal("the Job was deleted before its log was archived")
	}
	store.open()
	h.untilGone(job)
	h.manifests(job, 1)
	h.hear(job, "JobExpired", "adopted-ttl")
}

// TestImagePull has a pod whose image cannot be had.
func TestImagePull(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.Grace.ImagePull = 2 * time.Second
	h := settle(t, setting{cleanup: s}, func(_ context.Context, p *kubelet.Pod) {
		p.Wait("main", "ImagePullBackOff", "Back-off pulling image registry.example/main:1")
	})
	job := h.launch("stuck", nil)
	failed := h.until("its end", job, ends)
	if got, want := failed.Status.Conditions[len(failed.Status.Conditions)-1].Reason, "BackoffLimitExceeded"; got != want {
		t.Errorf("got reason %s, want %s: its own backoff limit counts", got, want)
	}
	m := h.manifests(job, 1)[0]
	if r := m.Instances[0]; r.Verdict != archive.NeverStarted || !strings.Contains(r.Reason, "ImagePullBackOff") {
		t.Errorf("got verdict %s (%s), want never-started for its image", r.Verdict, r.Reason)
	}
	if !strings.Contains(m.Diagnosis, "ImagePullBackOff") {
		t.Errorf("got diagnosis %q, want one that names the image's trouble", m.Diagnosis)
	}
	h.hear(job, "PodCannotStart", "(grace-image-pull 2s): container main: ImagePullBackOff")
	if why := m.Pod.Annotations[mark.Ended]; !strings.Contains(why, "(grace-image-pull 2s)") {
		t.Errorf("got annotation %q in the manifest, want the setting that ended it", why)
	}
}
