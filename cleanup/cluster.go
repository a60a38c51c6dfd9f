package cleanup

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// cluster is what is asked of the API server. What it gives is trimmed as the cache is, so that the policy sees the
// same fields of both and no environment; nothing that was trimmed is ever sent back: all changes are patches.
type cluster struct {
	client  kubernetes.Interface
	replica string
}

// callLimit bounds one request.
const callLimit = 30 * time.Second

// job returns the Job as it is now; nil: there is none of that UID.
func (c cluster) job(ctx context.Context, namespace, name string, uid types.UID) (*batchv1.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	job, err := c.client.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && job.UID != uid {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at Job %s/%s: %w", namespace, name, err)
	}
	return trimmed(job)
}

// pod returns the pod as it is now; nil: there is none of that UID.
func (c cluster) pod(ctx context.Context, p *corev1.Pod) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	got, err := c.client.CoreV1().Pods(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && got.UID != p.UID {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at pod %s/%s: %w", p.Namespace, p.Name, err)
	}
	return trimmed(got)
}

// pods returns all pods of the Job as they are now.
func (c cluster) pods(ctx context.Context, job *batchv1.Job) ([]*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	selector, err := selectorOf(job)
	if err != nil {
		return nil, fmt.Errorf("read selector of Job %s/%s: %w", job.Namespace, job.Name, err)
	}
	list, err := c.client.CoreV1().Pods(job.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list pods of Job %s/%s: %w", job.Namespace, job.Name, err)
	}
	podList := make([]*corev1.Pod, 0, len(list.Items))
	for i := range list.Items {
		// A selector of the Job's own may pick the pods of others.
		if pods.Ref(&list.Items[i]).JobUID != archive.JobUID(job.UID) {
			continue
		}
		pod, err := trimmed(&list.Items[i])
		if err != nil {
			return nil, err
		}
		podList = append(podList, pod)
	}
	return podList, nil
}

// selectorOf returns the selector by which the Job's controller finds its pods: its UID, or where it has a selector of
// its own, that.
func selectorOf(job *batchv1.Job) (string, error) {
	if job.Spec.Selector == nil {
		return "controller-uid=" + string(job.UID), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(job.Spec.Selector)
	if err != nil {
		return "", err
	}
	return selector.String(), nil
}

func trimmed[T any](object T) (T, error) {
	got, err := pods.Trim(object)
	if err != nil {
		return object, err
	}
	return got.(T), nil
}

// change is a strategic merge patch: lists such as finalizers are merged by the server, so that what others put there
// stays.
type change map[string]any

// of names the object that is meant: another one of its name is not touched. With a version it must be unchanged since,
// too.
func of(o metav1.Object, version string, metadata, spec map[string]any) change {
	metadata["uid"] = o.GetUID()
	if version != "" {
		metadata["resourceVersion"] = version
	}
	c := change{"metadata": metadata}
	if spec != nil {
		c["spec"] = spec
	}
	return c
}

func gateOn() map[string]any { return map[string]any{"finalizers": []string{mark.Finalizer}} }

func gateOff() map[string]any {
	return map[string]any{"$deleteFromPrimitiveList/finalizers": []string{mark.Finalizer}}
}

func (c cluster) patchJob(ctx context.Context, job *batchv1.Job, change change) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	text, err := json.Marshal(change)
	if err == nil {
		_, err = c.client.BatchV1().Jobs(job.Namespace).Patch(ctx, job.Name, types.StrategicMergePatchType, text, metav1.PatchOptions{})
	}
	if err != nil {
		return fmt.Errorf("patch Job %s/%s: %w", job.Namespace, job.Name, err)
	}
	return nil
}

func (c cluster) patchPod(ctx context.Context, pod *corev1.Pod, change change) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	text, err := json.Marshal(change)
	var got *corev1.Pod
	if err == nil {
		got, err = c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, text, metav1.PatchOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("patch pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return trimmed(got)
}

// deletion is in the background, so that finalizers hold, and only of that very object as it was seen.
func deletion(o metav1.Object) metav1.DeleteOptions {
	uid, version, background := o.GetUID(), o.GetResourceVersion(), metav1.DeletePropagationBackground
	return metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}, PropagationPolicy: &background,
	}
}

// deleteJob deletes the Job as it was seen. One that is gone is deleted.
func (c cluster) deleteJob(ctx context.Context, job *batchv1.Job) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := c.client.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, deletion(job))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete Job %s/%s: %w", job.Namespace, job.Name, err)
	}
	return nil
}

// deletePod deletes the pod as it was seen. One that is gone is deleted.
func (c cluster) deletePod(ctx context.Context, pod *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := c.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, deletion(pod))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// conflict: the object is not as it was seen. A finalizer is forbidden to one whose deletion has begun, which is the
// same.
func conflict(err error) bool { return apierrors.IsConflict(err) || apierrors.IsInvalid(err) }
