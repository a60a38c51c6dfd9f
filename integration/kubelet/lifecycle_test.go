//go:build integration

package kubelet

import (
	"context"
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// runJob creates a Job and a node that runs its pods by the script. It returns the first pod once the script has it.
func runJob(t *testing.T, ns string, script func(context.Context, *Pod)) *Pod {
	t.Helper()
	// The followers learn of the end well before the logs go.
	k := New(t, plane.Client(), fmt.Sprintf("node-%d", nodes.Add(1)), Linger(time.Second), StopAfter(10*time.Second))
	ctx, cancel := context.WithCancel(context.Background())
	first, ended := make(chan *Pod, 10), make(chan error, 1)
	go func() {
		ended <- k.Run(ctx, ns, func(ctx context.Context, p *Pod) {
			script(ctx, p)
			first <- p
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "j"}}
	job.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
	}
	if _, err := plane.Client().BatchV1().Jobs(ns).Create(ctx, job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return <-first
}

// eventually asks until it is so. The API has no event for most of what is asked here.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

func TestJobRunsToItsEnd(t *testing.T) {
	ns := plane.Namespace(t)
	runJob(t, ns, func(_ context.Context, p *Pod) {
		c := p.Start("main")
		c.Write(at(0), "done")
		c.Exit(0)
	})
	eventually(t, "the Job is complete", func() bool {
		job, err := plane.Client().BatchV1().Jobs(ns).Get(t.Context(), "j", metav1.GetOptions{})
		return err == nil && job.Status.Succeeded == 1 && job.Status.CompletionTime != nil
	})
}

func TestDeletedPodSaysItsLastWords(t *testing.T) {
	ns := plane.Namespace(t)
	var c *Instance
	pod := runJob(t, ns, func(_ context.Context, p *Pod) {
		c = p.Start("main")
		c.Write(at(0), "working")
	})
	body, err := plane.Client().CoreV1().Pods(ns).GetLogs(pod.Name(), &following).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, k: pod.kubelet, client: plane.Client(), ns: ns}
	background := metav1.DeletePropagationBackground
	if err := plane.Client().BatchV1().Jobs(ns).Delete(t.Context(), "j", metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	<-pod.Stopping()
	c.Write(at(1), "terminated")
	c.Exit(143)
	b.want("log", b.rest(body), "working\nterminated\n")
	eventually(t, "the pod is gone", func() bool {
		_, err := plane.Client().CoreV1().Pods(ns).Get(t.Context(), pod.Name(), metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func TestPodDeadlineKeepsTheLog(t *testing.T) {
	ns := plane.Namespace(t)
	pod := runJob(t, ns, func(_ context.Context, p *Pod) { p.Start("main").Write(at(0), "working") })
	pods := plane.Client().CoreV1().Pods(ns)
	patch := []byte(`{"spec":{"activeDeadlineSeconds":1}}`)
	if _, err := pods.Patch(t.Context(), pod.Name(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod has failed", func() bool {
		object, err := pods.Get(t.Context(), pod.Name(), metav1.GetOptions{})
		return err == nil && object.Status.Phase == corev1.PodFailed && object.Status.Reason == "DeadlineExceeded"
	})
	text, err := pods.GetLogs(pod.Name(), &corev1.PodLogOptions{}).DoRaw(t.Context())
	if got, want := string(text), "working\n"; err != nil || got != want {
		t.Errorf("got log %q, %v, want %q", got, err, want)
	}
}
