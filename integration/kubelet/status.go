package kubelet

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Object returns the pod as created, with the status of this moment.
func (p *Pod) Object() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	object := p.object.DeepCopy()
	object.Status = p.status()
	return object
}

// Report writes the pod's status of this moment to the API. Every method that changes the pod calls it. A pod that is
// gone from the API is none of its concern.
func (p *Pod) Report() {
	k := p.kubelet
	if k.client == nil {
		return
	}
	p.api.Lock()
	defer p.api.Unlock()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.uid}, "status": p.Object().Status})
	if err != nil {
		panic("kubelet: a pod status always marshals: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	// A merge patch replaces each list whole and carries no resourceVersion, so the Job controller's writes to the
	// same object are no conflict; the UID keeps it from a successor of the same name.
	_, err = k.client.CoreV1().Pods(p.namespace).Patch(ctx, p.name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		k.t.Errorf("patch status of pod %s/%s: %v", p.namespace, p.name, err)
	}
}

// status returns the status that the kubelet would report. The caller holds mu.
func (p *Pod) status() corev1.PodStatus {
	s := corev1.PodStatus{Phase: p.phase, Reason: p.reason, Message: p.message, Conditions: p.conditions}
	if p.bound {
		started := p.object.CreationTimestamp
		s.StartTime = &started
	}
	for _, c := range p.containers {
		list := &s.ContainerStatuses
		switch c.kind {
		case kindInit, kindSidecar:
			list = &s.InitContainerStatuses
		case kindEphemeral:
			list = &s.EphemeralContainerStatuses
		}
		*list = append(*list, c.status())
	}
	return s
}

func (c *container) status() corev1.ContainerStatus {
	s := corev1.ContainerStatus{Name: c.name, Image: c.image, ImageID: c.image}
	if last := c.last(); last != nil {
		s.LastTerminationState = last.state()
		s.ContainerID = last.id
		s.RestartCount = int32(last.restart)
	}
	inst := c.current()
	if inst == nil {
		s.State.Waiting = c.waiting
		return s
	}
	s.State = inst.state()
	s.ContainerID, s.RestartCount = inst.id, int32(inst.restart)
	running := s.State.Running != nil
	s.Ready, s.Started = running, &running
	return s
}

func (i *Instance) state() corev1.ContainerState {
	i.mu.Lock()
	defer i.mu.Unlock()
	started := metav1.NewTime(i.end.started)
	if !i.ended {
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}
	}
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: int32(i.end.code), Reason: i.end.reason, StartedAt: started, FinishedAt: metav1.NewTime(i.end.finished),
		ContainerID: i.id,
	}}
}
