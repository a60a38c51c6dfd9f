//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
	"github.com/epilogue-dev/epilogue/mark"
)

// Nothing is left, though the store is down, a Job runs, and another one waits for a seal that never comes.
func uninstalled(t *testing.T, s *stage.Stage) {
	job, ttl := s.Job("running", "until -rate 10"), int32(3600)
	job.Spec.TTLSecondsAfterFinished = &ttl
	running := start(t, s, job, 4*minute)
	if got := running.now(); got.Spec.TTLSecondsAfterFinished != nil || got.Annotations[mark.AdoptedTTL] != "3600" {
		t.Errorf("got TTL %v and annotations %v right after the creation, want it moved to %s", got.Spec.TTLSecondsAfterFinished, got.Annotations, mark.AdoptedTTL)
	}
	running.talking(1)
	if err := s.PauseStore(running.ctx); err != nil {
		t.Fatal(err)
	}
	waiting := start(t, s, s.Job("waiting", "lines -n 100"), 4*minute)
	waiting.awaitJob(stage.Finished)
	waiting.deleteJob()
	if job := waiting.now(); !gated(job) {
		t.Fatalf("got %+v, want the Job held by the gate", job)
	}
	// The launcher's, as the first launch makes it.
	ticket := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "epilogue-queue"}}
	if _, err := s.Client.CoordinationV1().Leases(s.Jobs).Create(running.ctx, ticket, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Uninstall(running.ctx); err != nil {
		t.Error(err)
	}
	waiting.awaitJob(stage.Gone)
	if got := running.now(); gated(got) || got.Spec.TTLSecondsAfterFinished == nil || *got.Spec.TTLSecondsAfterFinished != ttl || len(got.Annotations[mark.AdoptedTTL]) > 0 {
		t.Errorf("got finalizers %q, TTL %v, annotations %v, want no gate and the TTL back", got.Finalizers, got.Spec.TTLSecondsAfterFinished, got.Annotations)
	}
	if err := s.AwaitNothingLeft(running.ctx); err != nil {
		t.Error(err)
	}
	pod := running.pod(stage.Running)
	if slices.Contains(pod.Finalizers, mark.Finalizer) {
		t.Errorf("got finalizers %q on a pod, want no gate", pod.Finalizers)
	}
	// A new Job is nobody's concern any more.
	later := start(t, s, s.Job("later", "lines"), 2*minute)
	if job := later.now(); len(job.Finalizers) > 0 {
		t.Errorf("got finalizers %q on a new Job, want none", job.Finalizers)
	}
	later.deleteJob()
	later.awaitJob(stage.Gone)
	if err := s.ResumeStore(running.ctx); err != nil {
		t.Error(err)
	}
}

// freedByHand has a Job that is deleted, and that the gate holds for want of the store, let go by the daemon's own
// program.
func freedByHand(t *testing.T, s *stage.Stage) *play {
	t.Helper()
	p := start(t, s, s.Job("freed", "lines -n 100"), 4*minute)
	p.awaitJob(stage.Finished)
	p.deleteJob()
	if job := p.now(); !gated(job) {
		t.Fatalf("got %+v, want the Job held by the gate", job)
	}
	out, err := s.Exec(p.ctx, "/epilogue", "release", p.job)
	for _, want := range []string{"job/freed released; its logs are not archived", "pod/freed-"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("got %q and error %v, want %q in it", out, err, want)
		}
	}
	p.awaitJob(stage.Gone)
	return p
}

// With the policies, a foreground deletion is refused with what to type instead, and that keeps the whole log.
func TestForegroundDeletionIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("refused", "until -rate 100 -last 300"), 2*minute)
	p.talking(100)
	_, err := p.InJobs(p.ctx, "delete", "job", p.job, "--cascade=foreground", "--wait=false")
	instead := []string{"-n", p.Jobs, "delete", "job", p.job, "--cascade=background"}
	for _, want := range []string{"Forbidden", "not archived yet", "kubectl " + strings.Join(instead, " "), "release " + p.job} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
	if job := p.now(); job == nil || job.DeletionTimestamp != nil {
		t.Errorf("got %+v after the refusal, want the Job as it was", job)
	}
	if _, err := p.InJobs(p.ctx, append(instead[2:], "--wait=false")...); err != nil {
		t.Fatal(err)
	}
	p.wholeThenGone()
}

// wholeThenGone checks that all lines of a Job that was deleted while it ran are sealed, and that it goes then.
func (p *play) wholeThenGone() *archive.Manifest {
	p.Helper()
	pod, m := p.pod(ended("main")), p.manifest()
	p.whole(m, "main", 0, status(pod, "main").State.Terminated)
	p.awaitJob(stage.Gone)
	return m
}
