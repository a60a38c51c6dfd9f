package live

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// manifest returns what a pod's status says. Nothing is proven, so there is no verdict.
func manifest(p *corev1.Pod) *archive.Manifest {
	ref := archive.PodRef{Namespace: p.Namespace, Job: jobName(p), JobUID: jobUID(p), Pod: p.Name, PodUID: archive.PodUID(p.UID)}
	m := &archive.Manifest{Pod: archive.PodSummary{
		PodRef: ref, Labels: p.Labels, Node: p.Spec.NodeName, ServiceAccount: p.Spec.ServiceAccountName, Phase: string(p.Status.Phase),
		Reason: p.Status.Reason, Message: p.Status.Message, CreatedAt: p.CreationTimestamp.Time,
	}}
	if p.Status.StartTime != nil {
		m.Pod.StartedAt = p.Status.StartTime.Time
	}
	for _, of := range []struct {
		kind     archive.ContainerKind
		statuses []corev1.ContainerStatus
	}{
		{archive.KindInit, p.Status.InitContainerStatuses},
		{archive.KindMain, p.Status.ContainerStatuses},
		{archive.KindEphemeral, p.Status.EphemeralContainerStatuses},
	} {
		for i := range of.statuses {
			m.Instances = append(m.Instances, record(ref, of.kind, &of.statuses[i]))
		}
	}
	return m
}

func record(ref archive.PodRef, kind archive.ContainerKind, s *corev1.ContainerStatus) archive.InstanceRecord {
	r := archive.InstanceRecord{Instance: archive.Instance{
		PodRef: ref, Container: s.Name, Kind: kind, Restart: int(s.RestartCount), ContainerID: s.ContainerID,
	}}
	r.State.Image, r.State.ImageID = s.Image, s.ImageID
	switch {
	case s.State.Running != nil:
		r.State.StartedAt = s.State.Running.StartedAt.Time
	case s.State.Waiting != nil:
		r.State.Reason, r.State.Message = s.State.Waiting.Reason, s.State.Waiting.Message
	case s.State.Terminated != nil:
		t := s.State.Terminated
		r.State.ExitCode, r.State.Signal, r.State.Reason, r.State.Message = &t.ExitCode, t.Signal, t.Reason, t.Message
		r.State.StartedAt, r.State.FinishedAt = t.StartedAt.Time, t.FinishedAt.Time
	}
	return r
}

// pick returns the instances that a query names: the cluster has the last one of each container, and the one before.
func pick(pods []corev1.Pod, q *archive.Query) []archive.InstanceRecord {
	var all []archive.InstanceRecord
	for n := range pods {
		if at := q.Attempt; at != 0 && n != at-1 && n != len(pods)+at {
			continue
		}
		for _, r := range manifest(&pods[n]).Instances {
			if len(q.Containers) > 0 && !slices.Contains(q.Containers, r.Container) || q.Which == archive.Previous && r.Restart == 0 {
				continue
			}
			if q.Which == archive.Previous {
				r.Restart, r.ContainerID, r.State = r.Restart-1, "", archive.ContainerState{}
			}
			all = append(all, r)
		}
	}
	return all
}
