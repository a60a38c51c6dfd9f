package cleanup

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/pages"
)

// A namespace that is deleted takes the daemon's own rights in it along, in the very moment in which its Jobs are told
// to go: Kubernetes takes the pods first, and all else in one pass without an order once they are gone. A gate that is
// on then stays on for ever, and the namespace with it. So the janitor finds out that the namespace is going while its
// pods do, and opens each gate as soon as all pods that there were are sealed, without waiting for the Job's deletion:
// no pod is made there any more.

// endingAsked is how often it is asked at the most: a pod that is deleted while its Job lives is the hint.
const endingAsked = 2 * time.Second

// heedNamespace reports whether the Job's namespace is going, as far as that is known or can be found out.
func (j *Janitor) heedNamespace(ctx context.Context, job types.UID, f Facts) (bool, error) {
	if f.Ending || f.Job == nil || f.Job.DeletionTimestamp != nil || !has(f.Job.Finalizers, mark.Finalizer) || !vanishing(f) {
		return f.Ending, nil
	}
	if !j.mayAsk(time.Now()) {
		j.seen.AddAfter(job, endingAsked)
		return false, nil
	}
	since, err := Ending(ctx, j.parts.Client, f.Job.Namespace)
	if err != nil || since == nil {
		return false, err
	}
	if j.ending.Swap(since.UnixNano()) == since.UnixNano() {
		return true, nil
	}
	j.log.Info("the namespace is being deleted: gates open as soon as what there is of a Job is sealed", "namespace", f.Job.Namespace)
	return true, j.noticeAll(ctx, f.Job.Namespace)
}

// ends reports whether the Job goes with its namespace. One that was made later is in another namespace of that name,
// for in one that is being deleted nothing is made.
func (j *Janitor) ends(job *batchv1.Job) bool {
	since := j.ending.Load()
	return since != 0 && job != nil && job.CreationTimestamp.UnixNano() <= since
}

// vanishing: somebody deletes the Job's pods and not the Job.
func vanishing(f Facts) bool {
	return slices.ContainsFunc(f.Pods, func(p Pod) bool { return p.DeletionTimestamp != nil && belongs(p.Pod, f.Job.UID) })
}

func (j *Janitor) mayAsk(now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now.Sub(j.asked) < endingAsked {
		return false
	}
	j.asked = now
	return true
}

// noticeAll adds every Job to those that are looked at: of one without a pod nothing tells.
func (j *Janitor) noticeAll(ctx context.Context, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	for job, err := range pages.Jobs(ctx, j.parts.Client, namespace, metav1.ListOptions{}) {
		if err != nil {
			return fmt.Errorf("list Jobs of %s: %w", namespace, err)
		}
		j.seen.Add(job.UID)
	}
	return nil
}

// Ending asks since when the namespace is being deleted; nil: it is not, or without the right to ask it is not known.
func Ending(ctx context.Context, client kubernetes.Interface, namespace string) (*metav1.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	got, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at namespace %s: %w", namespace, err)
	}
	return got.DeletionTimestamp, nil
}
