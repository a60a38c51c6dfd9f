//go:build e2e

package e2e

import (
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/epilogue-dev/epilogue/e2e/stage"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestNamespaceGoes deletes the namespace of the Jobs while one of them runs, and then the release's own in the place
// of an uninstallation. Both go, the log is sealed, and nothing of the release stays behind.
func TestNamespaceGoes(t *testing.T) {
	t.Parallel()
	s := own(t, stage.Config{Namespace: "epilogue-e2e-goes"})
	job := s.Job("writes", "until -rate 10 -last 50")
	job.Spec.BackoffLimit = nil // another pod would come, were there a namespace
	p := start(t, s, job, 5*minute)
	p.talking(100)
	if _, err := s.AwaitJob(p.ctx, s.Jobs, p.job, func(j *batchv1.Job) bool { return slices.Contains(j.Finalizers, mark.Finalizer) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(p.ctx, s.Jobs); err != nil {
		t.Fatal(err)
	}
	p.everyLine(p.manifest(), 100)
	if err := s.AwaitGone(p.ctx, s.Jobs); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(p.ctx, s.Namespace); err != nil {
		t.Fatal(err)
	}
	if err := s.AwaitGone(p.ctx, s.Namespace); err != nil {
		t.Fatal(err)
	}
	if err := s.AwaitNothingLeft(p.ctx); err != nil {
		t.Error(err)
	}
}
