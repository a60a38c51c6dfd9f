// Package live reads logs from the cluster alone, as kubectl does: where there is no Epilogue, or where somebody wants
// to see what the kubelet serves. What was rotated away, deleted or evicted is not there, and nothing here can tell.
package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Cluster gives logs and what pods say of themselves now. Safe for concurrent use.
type Cluster struct{ client kubernetes.Interface }

// New makes one. Nothing is asked yet.
func New(client kubernetes.Interface) *Cluster { return &Cluster{client} }

// errNoList: the cluster lists its Jobs itself.
var errNoList = errors.New("a list of what the cluster has now is `kubectl get jobs`")

// Jobs returns an error: who wants a list of what lives asks kubectl.
func (c *Cluster) Jobs(context.Context, archive.JobQuery) iter.Seq2[archive.KeptJob, error] {
	return func(yield func(archive.KeptJob, error) bool) { yield(archive.KeptJob{}, errNoList) }
}

// Job returns a Job by its pods.
func (c *Cluster) Job(ctx context.Context, namespace, name string, uid archive.JobUID) (*archive.KeptJob, error) {
	pods, err := c.podsOf(ctx, archive.Target{Namespace: namespace, Job: name, JobUID: uid})
	if err != nil {
		return nil, err
	}
	job := &archive.KeptJob{Open: true, PodRef: archive.PodRef{Namespace: namespace, Job: name, JobUID: jobUID(&pods[0])}}
	job.Document = archive.JobDocument{Namespace: namespace, Job: archive.JobSummary{Name: name, UID: job.JobUID}}
	for i := range pods {
		job.Document.Pods = append(job.Document.Pods, archive.JobPod{Name: pods[i].Name, UID: archive.PodUID(pods[i].UID)})
	}
	return job, nil
}

// Manifest returns what a pod's status says, without verdicts.
func (c *Cluster) Manifest(ctx context.Context, pod archive.PodRef) (*archive.Manifest, bool, error) {
	pods, err := c.podsOf(ctx, pod.Target())
	if err != nil {
		return nil, false, err
	}
	return manifest(&pods[0]), false, nil
}

// podsOf returns a target's pods in the order in which they were made, at least one.
func (c *Cluster) podsOf(ctx context.Context, t archive.Target) ([]corev1.Pod, error) {
	if t.Pod != "" {
		pod, err := c.client.CoreV1().Pods(t.Namespace).Get(ctx, t.Pod, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), err == nil && t.PodUID != "" && string(pod.UID) != string(t.PodUID):
			return nil, fmt.Errorf("%s is not in the cluster: %w", t, archive.ErrNotFound)
		case err != nil:
			return nil, err
		}
		return []corev1.Pod{*pod}, nil
	}
	if t.Job == "" {
		return nil, fmt.Errorf("%s: the cluster alone does not know workloads: %w", t, archive.ErrNotFound)
	}
	var pods []corev1.Pod
	// A Job with a selector of its own need not give its pods the label: then they are among all.
	for _, selector := range []string{batchv1.JobNameLabel + "=" + t.Job, ""} {
		list, err := c.client.CoreV1().Pods(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return nil, err
		}
		pods = slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
			return jobName(&p) != t.Job || t.JobUID != "" && jobUID(&p) != t.JobUID
		})
		if len(pods) > 0 {
			break
		}
	}
	if len(pods) == 0 {
		return nil, fmt.Errorf("%s has no pod in the cluster: %w", t, archive.ErrNotFound)
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods, nil
}

// owner returns the Job that owns the pod, nil where none does. The word of a label is not enough: anybody writes one.
func owner(p *corev1.Pod) *metav1.OwnerReference {
	for i := range p.OwnerReferences {
		if pods.IsJob(p.OwnerReferences[i]) {
			return &p.OwnerReferences[i]
		}
	}
	return nil
}

func jobUID(p *corev1.Pod) archive.JobUID {
	if r := owner(p); r != nil {
		return archive.JobUID(r.UID)
	}
	return ""
}

func jobName(p *corev1.Pod) string {
	if r := owner(p); r != nil {
		return r.Name
	}
	return ""
}
