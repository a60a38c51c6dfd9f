package cleanup

import (
	"context"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
)

// end ends a pod, or the Job that gets none.
func (j *Janitor) end(ctx context.Context, job types.UID, f Facts, d Decision) error {
	if j.dry(job, d.object(f), d) {
		return nil
	}
	return j.confirmed(ctx, job, f, d, func(now Facts, again Decision) error { return j.endSeen(ctx, now, again) })
}

// endSeen ends what was looked at a moment ago: with its version in the patch that applies to what was seen, or not at
// all. Why stands on the object from the same moment on, and so in the pod's manifest.
func (j *Janitor) endSeen(ctx context.Context, f Facts, d Decision) (err error) {
	now := j.parts.Clock.Now()
	deadline := map[string]any{"activeDeadlineSeconds": endNow}
	switch d.Action {
	case EndPod:
		_, err = j.cluster.patchPod(ctx, d.Pod, of(d.Pod, d.Pod.ResourceVersion, because(d, now), deadline))
	case EndJob:
		err = j.cluster.patchJob(ctx, f.Job, of(f.Job, f.Job.ResourceVersion, because(d, now), deadline))
	default:
		err = j.withdraw(ctx, d, now)
	}
	if err != nil {
		return err
	}
	j.parts.Count.Ended.WithLabelValues(string(d.Reason)).Inc()
	j.log.Info("pod is ended", "job", refOf(f).Job, "pod", podName(d),
		"reason", d.Reason, "setting", d.Setting, "waited", d.waited(now), "detail", d.Detail)
	j.sayEnded(ctx, f, d, now)
	return nil
}

// because is the annotation of what is ended.
func because(d Decision, now time.Time) map[string]any {
	return map[string]any{"annotations": map[string]string{mark.Ended: shorter(d.because(now), longestMessage)}}
}

func podName(d Decision) string {
	if d.Pod == nil {
		return ""
	}
	return d.Pod.Name
}

// withdraw deletes a pod that has no node. Its finalizer comes first: from the deletion on no scheduler can give it a
// node, and it stays until the manifest says why it never ran. A crash between the two leaves a pod with the gate on,
// which the next look deletes; if it has got a node by then the deletion is refused, and the gate goes when it is
// sealed.
func (j *Janitor) withdraw(ctx context.Context, d Decision, now time.Time) error {
	pod := d.Pod
	if !has(pod.Finalizers, mark.Finalizer) || pod.Annotations[mark.Ended] == "" {
		metadata := because(d, now)
		maps.Copy(metadata, gateOn())
		held, err := j.cluster.patchPod(ctx, pod, of(pod, pod.ResourceVersion, metadata, nil))
		if err != nil {
			return err
		}
		pod = held
	}
	return j.cluster.deletePod(ctx, pod)
}

// date writes on what is deleted and held from when its deadline counts, so that it does not begin anew with the next
// owner. A crash before it leaves that to the next one.
func (j *Janitor) date(ctx context.Context, job types.UID, f Facts, list []Decision) error {
	for _, d := range pick(list, Wait) {
		if d.Reason != Unsealed && d.Reason != Deadline || j.cfg.DryRun {
			continue
		}
		if _, dated := seenHeld(d.object(f), j.parts.Clock.Now()); dated {
			continue
		}
		err := j.confirmed(ctx, job, f, d, func(now Facts, again Decision) error { return j.dateSeen(ctx, now, again) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Janitor) dateSeen(ctx context.Context, f Facts, d Decision) error {
	from := d.At.Add(-j.cfg.GateDeadline).UTC().Format(time.RFC3339)
	metadata := map[string]any{"annotations": map[string]string{mark.HeldSince: from}}
	if d.Pod == nil {
		return j.cluster.patchJob(ctx, f.Job, of(f.Job, "", metadata, nil))
	}
	_, err := j.cluster.patchPod(ctx, d.Pod, of(d.Pod, "", metadata, nil))
	return err
}
