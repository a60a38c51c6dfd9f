package stage

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/watch"
)

// AwaitJob watches a Job of the namespace until it fulfils the condition, and returns it. A Job that is gone is shown
// as nil.
func (s *Stage) AwaitJob(ctx context.Context, namespace, name string, until func(*batchv1.Job) bool) (*batchv1.Job, error) {
	jobs := s.Client.BatchV1().Jobs(namespace)
	var last *batchv1.Job
	absent := func(store cache.Store) (bool, error) {
		return len(store.List()) == 0 && until(nil), nil // a watch tells nothing of what is not there
	}
	_, err := watch.UntilWithSync(ctx, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = "metadata.name=" + name
			return jobs.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.FieldSelector = "metadata.name=" + name
			return jobs.Watch(ctx, o)
		},
	}, &batchv1.Job{}, absent, func(e apiwatch.Event) (bool, error) {
		job, ok := e.Object.(*batchv1.Job)
		if !ok {
			return false, nil
		}
		last = job
		if e.Type == apiwatch.Deleted {
			return until(nil), nil
		}
		return until(job), nil
	})
	if err != nil {
		return last, fmt.Errorf("wait for Job %s/%s: %w; last seen: %s", namespace, name, err, describeJob(last))
	}
	return last, nil
}

// Gone reports whether the Job is no more.
func Gone(j *batchv1.Job) bool { return j == nil }

// Deleted reports whether somebody has deleted the Job and something holds it.
func Deleted(j *batchv1.Job) bool { return j != nil && j.DeletionTimestamp != nil }

// Finished reports whether the Job is complete or failed.
func Finished(j *batchv1.Job) bool { return j != nil && FinishOf(j) != nil }

// FinishOf returns the condition by which a Job is complete or failed, nil where it is neither.
func FinishOf(j *batchv1.Job) *batchv1.JobCondition {
	for i, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return &j.Status.Conditions[i]
		}
	}
	return nil
}

func describeJob(j *batchv1.Job) string {
	if j == nil {
		return "none"
	}
	return fmt.Sprintf("deleted %v, finalizers %q, annotations %v, conditions %v", j.DeletionTimestamp, j.Finalizers, j.Annotations, j.Status.Conditions)
}
