//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// TestLastWords: why the program ends stands in its pod's status, where the kubelet read it, with the chart's own pod.
func TestLastWords(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*minute)
	defer cancel()
	deployments, err := shared.Client.AppsV1().Deployments(shared.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=epilogue"})
	if err != nil || len(deployments.Items) != 1 {
		t.Fatalf("got %d deployments of the daemon, %v, want one", len(deployments.Items), err)
	}
	const name = "last-words"
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: shared.Namespace, Labels: map[string]string{"role": name}},
		Spec:       deployments.Items[0].Spec.Template.Spec,
	}
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod.Spec.Containers[0].Args = []string{"--spool-limit=much", "--log-level=loud"}
	if _, err := shared.Client.CoreV1().Pods(shared.Namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod, err = shared.AwaitBeside(ctx, "role="+name, stage.Over)
	if err != nil {
		t.Fatal(err)
	}
	got := status(pod, "epilogue").State.Terminated
	for _, want := range []string{"exit code 3: wrong settings", "spool-limit", "log-level"} {
		if !strings.Contains(got.Message, want) {
			t.Errorf("got the message %q, want %q in it", got.Message, want)
		}
	}
}

// crashed: the pod's status has the end of the trace, and the next start the whole of it.
func crashed(t *testing.T, s *stage.Stage) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*minute)
	defer cancel()
	pod, err := s.AwaitDaemon(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	restarts := status(pod, "epilogue").RestartCount
	if err := s.CrashDaemon(ctx, pod); err != nil {
		t.Fatal(err)
	}
	if pod, err = s.AwaitDaemon(ctx, restarts+1); err != nil {
		t.Fatal(err)
	}
	last := status(pod, "epilogue").LastTerminationState.Terminated
	if last == nil || last.ExitCode != 2 || len(last.Message) < 100 {
		t.Errorf("got %+v, want exit code 2 with the end of the trace", last)
	}
	output, err := s.AwaitOutput(ctx, "the last run crashed")
	if err != nil || !strings.Contains(output, "SIGQUIT") {
		t.Errorf("got %v and\n%s\nwant the report of the crash", err, output)
	}
}
