package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// daemonSelector finds the daemon's pod.
const daemonSelector = "app.kubernetes.io/name=epilogue"

// AwaitDaemon waits until the daemon is ready with at least so many restarts of its container behind it.
func (s *Stage) AwaitDaemon(ctx context.Context, restarts int32) (*corev1.Pod, error) {
	return s.awaitDaemon(ctx, func(c *corev1.ContainerStatus) bool { return c.Ready && c.RestartCount >= restarts })
}

// AwaitDaemonStart waits only until its container runs.
func (s *Stage) AwaitDaemonStart(ctx context.Context, restarts int32) (*corev1.Pod, error) {
	return s.awaitDaemon(ctx, func(c *corev1.ContainerStatus) bool { return c.State.Running != nil && c.RestartCount >= restarts })
}

// AwaitBeside watches the pods in the daemon's namespace that a selector finds, as AwaitPod does those of a Job.
func (s *Stage) AwaitBeside(ctx context.Context, selector string, until func(*corev1.Pod) bool) (*corev1.Pod, error) {
	return s.awaitPod(ctx, s.Namespace, selector, until)
}

func (s *Stage) awaitDaemon(ctx context.Context, until func(*corev1.ContainerStatus) bool) (*corev1.Pod, error) {
	return s.awaitPod(ctx, s.Namespace, daemonSelector, func(p *corev1.Pod) bool {
		return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return until(&c) })
	})
}

// KillDaemon ends the daemon's process with SIGKILL from the node, so that nothing of it gets a word in: the pod and
// its spool stay, and the kubelet starts the container again.
func (s *Stage) KillDaemon(ctx context.Context, pod *corev1.Pod) error {
	return s.signalDaemon(ctx, pod, "SIGKILL")
}

// CrashDaemon makes the daemon's runtime end it as after a panic, with the same code and the traces of its goroutines.
func (s *Stage) CrashDaemon(ctx context.Context, pod *corev1.Pod) error {
	return s.signalDaemon(ctx, pod, "SIGQUIT")
}

// signalDaemon sends the daemon's process a signal from the node.
func (s *Stage) signalDaemon(ctx context.Context, pod *corev1.Pod, signal string) error {
	id, ok := containerID(pod)
	if !ok {
		return errors.New("the daemon's container does not run")
	}
	_, err := s.run(ctx, "", "docker", "exec", pod.Spec.NodeName, "ctr", "-n", "k8s.io", "tasks", "kill", "--signal", signal, id)
	if err != nil {
		return fmt.Errorf("send the daemon %s: %w", signal, err)
	}
	return nil
}

// containerID is the runtime's own id, without the scheme that the API puts before it.
func containerID(pod *corev1.Pod) (string, bool) {
	const scheme = "containerd://"
	if len(pod.Status.ContainerStatuses) == 0 || len(pod.Status.ContainerStatuses[0].ContainerID) < len(scheme) {
		return "", false
	}
	return pod.Status.ContainerStatuses[0].ContainerID[len(scheme):], true
}

// Output returns what the daemon has written so far.
func (s *Stage) Output(ctx context.Context) (string, error) {
	return s.kubectl(ctx, "", "-n", s.Namespace, "logs", "--tail=-1", "-l", daemonSelector)
}
