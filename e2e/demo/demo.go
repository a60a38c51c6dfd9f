package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// What the runner Job writes. The kubelet rotates at 1 MiB: this is some 17 files of which it keeps two and serves one.
const (
	lines = 200_000
	rate  = 20_000
	size  = 40
)

// demo plays the whole piece; each act says what it shows.
func demo(ctx context.Context) error {
	began := time.Now()
	tools, err := stage.FromEnvironment()
	if err != nil {
		return err
	}
	say("1. An S3 server, and Epilogue as its chart renders it, in namespaces of the restricted profile")
	s, err := stage.Open(ctx, tools, stage.Config{Namespace: namespace, Rendered: "e2e/demo/epilogue.yaml"})
	if err != nil {
		return fmt.Errorf("%w\nmake demo-clean removes what an interrupted run may have left", err)
	}
	defer s.Close()
	say("   ready after %s\n", time.Since(began).Round(time.Second))

	job := "runner-" + time.Now().UTC().Format("150405")
	say("2. Job %s writes %s lines at %s a second; the kubelet rotates its log at 1 MiB", job, count(lines), count(rate))
	pod, err := perform(ctx, s, job)
	if err != nil {
		return err
	}
	truth, err := stage.TruthOf(pod.Status.ContainerStatuses[0].State.Terminated)
	if err != nil {
		return err
	}
	manifests, err := s.AwaitManifests(ctx, job, 1)
	if err != nil {
		return err
	}
	say("   sealed %s after the container's end\n", sealDelay(manifests[0]).Round(100*time.Millisecond))

	say("3. What kubectl logs still gives, and then the Job is deleted")
	served, err := readServed(ctx, s, pod.Name)
	if err != nil {
		return err
	}
	gone, err := deleteJob(ctx, s, job, pod.Name)
	if err != nil {
		return err
	}
	say("   before: %s lines. After: %s\n", count(served.lines), gone)

	say("4. What the archive holds")
	ok, err := compare(ctx, s, truth, served, manifests[0])
	if err != nil {
		return err
	}
	say("The whole took %s. Look around: namespaces %s and %s-jobs; make demo-clean removes them.",
		time.Since(began).Round(time.Second), namespace, namespace)
	if !ok {
		return errDiffers
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// perform runs the Job to its end with a display of how far it is.
func perform(ctx context.Context, s *stage.Stage, name string) (*corev1.Pod, error) {
	metrics, err := s.Forward(ctx, "service/"+stage.Release, 9090)
	if err != nil {
		return nil, err
	}
	defer metrics.Close()
	show := newProgress(s, metrics.Address)
	job := s.Job(name, fmt.Sprintf("lines -n %d -rate %d -size %d", lines, rate, size))
	job.Labels = map[string]string{"app.kubernetes.io/part-of": "epilogue-demo"}
	if _, err := s.Client.BatchV1().Jobs(s.Jobs).Create(ctx, job, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	pod, err := s.AwaitPod(ctx, name, func(p *corev1.Pod) bool { return stage.Running(p) || stage.Over(p) })
	if err != nil {
		return nil, err
	}
	watched, stop := context.WithCancel(ctx)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		show.run(watched, pod.Name)
	}()
	pod, err = s.AwaitPod(ctx, name, stage.Over)
	stop()
	<-shown
	return pod, err
}

func sealDelay(m *archive.Manifest) time.Duration {
	return m.SealedAt.Sub(m.Instances[0].State.FinishedAt)
}

// deleteJob deletes the Job and returns what kubectl logs says once the pod is gone.
func deleteJob(ctx context.Context, s *stage.Stage, job, pod string) (string, error) {
	background := metav1.DeletePropagationBackground
	err := s.Client.BatchV1().Jobs(s.Jobs).Delete(ctx, job, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil {
		return "", err
	}
	if err := s.AwaitNoPod(ctx, pod); err != nil {
		return "", err
	}
	_, err = s.Logs(ctx, pod)
	if err == nil {
		return "", fmt.Errorf("kubectl logs still answers for pod %s, which is gone", pod)
	}
	_, message, _ := strings.Cut(err.Error(), "exit status 1: ")
	return strings.TrimPrefix(message, "error: "), nil
}

// count writes a number with separators.
func count[N int | int64](n N) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
