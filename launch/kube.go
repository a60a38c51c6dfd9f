package launch

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/rights"
)

// kube is the cluster as the API server shows it, in one namespace.
type kube struct {
	client    kubernetes.Interface
	namespace string
}

// callTimeout bounds one request to the API server.
const callTimeout = 15 * time.Second

func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}

func (k kube) Job(ctx context.Context, name string) (*batchv1.Job, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	job, err := k.client.BatchV1().Jobs(k.namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Job %s: %w", name, err)
	}
	return job, nil
}

func (k kube) Jobs(ctx context.Context) ([]*batchv1.Job, error) { return k.list(ctx, mark.Kind) }

// ofWorkload reads the workload's Jobs, which the cache may not all show yet.
func (k kube) ofWorkload(ctx context.Context, workload string) ([]*batchv1.Job, error) {
	return k.list(ctx, mark.Kind+","+mark.WorkloadID+"="+workload)
}

func (k kube) list(ctx context.Context, selector string) ([]*batchv1.Job, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	list, err := k.client.BatchV1().Jobs(k.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list Jobs: %w", err)
	}
	var jobs []*batchv1.Job
	for i := range list.Items {
		jobs = append(jobs, &list.Items[i])
	}
	return jobs, nil
}

// Patch states the UID, and the version where the job has one, in the patch itself, where the API server compares them.
func (k kube) Patch(ctx context.Context, job *batchv1.Job, c change) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	_, err := k.client.BatchV1().Jobs(k.namespace).Patch(ctx, job.Name, types.MergePatchType, c.patch(job), metav1.PatchOptions{})
	return translate(err, "patch Job "+job.Name)
}

func (c change) patch(job *batchv1.Job) []byte {
	spec := map[string]any{}
	if c.suspend != nil {
		spec["suspend"] = *c.suspend
	}
	if c.parallelism != nil {
		spec["parallelism"] = *c.parallelism
	}
	if c.deadline != nil {
		spec["activeDeadlineSeconds"] = *c.deadline
	}
	meta := map[string]any{"uid": job.UID}
	if job.ResourceVersion != "" {
		meta["resourceVersion"] = job.ResourceVersion
	}
	if len(c.notes) > 0 {
		meta["annotations"] = c.notes
	}
	body := map[string]any{"metadata": meta}
	if len(spec) > 0 {
		body["spec"] = spec
	}
	return encode(body)
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return text
}

// EndPod lets the kubelet end the pod as failed, with its log in place: deleting it would take the log along. Why
// stands on it from the same moment on, and so in its manifest.
func (k kube) EndPod(ctx context.Context, pod *corev1.Pod, why string) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	patch := encode(map[string]any{
		"metadata": map[string]any{"uid": pod.UID, "annotations": map[string]string{mark.Ended: why}},
		"spec":     map[string]any{"activeDeadlineSeconds": 1},
	})
	_, err := k.client.CoreV1().Pods(k.namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return translate(err, "end pod "+pod.Name)
}

// translate says what an API error means to the queue. What is gone has been changed by somebody else.
func translate(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err), apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s: %w (%w)", doing, errConflict, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// The ticket is a Lease in the Jobs' own namespace, for the queue is the namespace's, whatever releases share it.
// Nobody holds it: its version alone serves, and its annotations say which Job was started last.
const (
	ticketName = rights.QueueTicket
	ticketJob  = "epilogue.dev/started-job"
	ticketUID  = "epilogue.dev/started-uid"
)

func (k kube) Read(ctx context.Context) (ticket, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	l, err := k.client.CoordinationV1().Leases(k.namespace).Get(ctx, ticketName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ticket{}, nil
	}
	if err != nil {
		return ticket{}, fmt.Errorf("read ticket: %w", err)
	}
	return ticketOf(l), nil
}

func ticketOf(l *coordinationv1.Lease) ticket {
	return ticket{job: l.Annotations[ticketJob], uid: types.UID(l.Annotations[ticketUID]), version: l.ResourceVersion}
}

func (k kube) Write(ctx context.Context, t ticket) (ticket, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Name: ticketName, Namespace: k.namespace, ResourceVersion: t.version,
		Annotations: map[string]string{ticketJob: t.job, ticketUID: string(t.uid)},
	}}
	leases := k.client.CoordinationV1().Leases(k.namespace)
	var written *coordinationv1.Lease
	var err error
	if t.version == "" { // an update without a version would replace whatever is there
		written, err = leases.Create(ctx, l, metav1.CreateOptions{})
	} else {
		written, err = leases.Update(ctx, l, metav1.UpdateOptions{})
	}
	if err != nil {
		return ticket{}, translate(err, "write ticket")
	}
	return ticketOf(written), nil
}
