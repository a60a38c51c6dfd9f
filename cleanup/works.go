package cleanup

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/mark"
)

// works: a main container of the pod other than the named one runs, or will run again by itself. Which containers are
// the main ones nothing tells but an annotation that kubectl, too, goes by, and which those set who add sidecars of the
// old kind; without it all are that are neither init containers nor sidecars of their own right.
func (p Pod) works(except string) bool {
	main, named := p.Annotations[mark.DefaultContainer]
	named = named && slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == main })
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.Name != except && (!named || s.Name == main) && p.runs(s)
	})
}

// runs: the container is running, or the kubelet is about to start it again.
func (p Pod) runs(s corev1.ContainerStatus) bool {
	switch {
	case s.State.Running != nil:
		return true
	case s.State.Waiting != nil:
		return waitings[s.State.Waiting.Reason] == CrashLoop
	case s.State.Terminated == nil || s.State.Terminated.ExitCode == 0:
		return false
	}
	for _, c := range p.Spec.Containers {
		if c.Name == s.Name && (c.RestartPolicy != nil || len(c.RestartPolicyRules) > 0) {
			return c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyNever
		}
	}
	return p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
}

// unready: the kubelet says that the pod has neither its volumes nor its network yet.
func unready(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionFalse
	})
}
