package cleanup

import (
	"context"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

// applied: the Job is a hook of Helm, Flux or Argo CD, or stands in what one of them has installed. They delete it and
// make one of the same name, by an apply that succeeds over an old one that is held: the new one never runs, and nobody
// is told. No log is worth that. So not the Job is held but its pods, which have names of their own: whoever deletes it
// finds its name free. The Jobs of a CronJob have names that do not come again; where the old one's pods must end
// whoever is there to end them, as with the policy Replace, its owner says so by an annotation.
func applied(job *batchv1.Job) bool {
	if job.Annotations[mark.Gate] == mark.GatePods {
		return true
	}
	if metav1.GetControllerOf(job) != nil {
		return false
	}
	by := func(marks []string, there map[string]string) bool {
		return slices.ContainsFunc(marks, func(name string) bool { return there[name] != "" })
	}
	return by(mark.Applied, job.Annotations) || by(mark.AppliedLabels, job.Labels)
}

// gates: Jobs as this one get the gate.
func (j *judgement) gates() bool {
	return !j.Ending && (j.s.Gate == config.GateAlways || j.s.Gate == config.GateLaunchedOnly && launched(j.Job)) && j.Job.Annotations[mark.Released] == ""
}

// holdPods puts the gate on the pods of a Job that must not be held itself.
func (j *judgement) holdPods() {
	for _, p := range j.Pods {
		switch {
		case !j.owned(p) || p.Sealed || p.DeletionTimestamp != nil || has(p.Finalizers, mark.Finalizer):
		case p.Unproven: // nobody tells when that has been found out, so it is looked at again
			j.due(Decision{Action: HoldPod, Reason: Gate, Pod: p.Pod, At: j.now.Add(time.Second)})
		default:
			j.add(Decision{Action: HoldPod, Reason: Gate, Pod: p.Pod})
		}
	}
}

// spared: the pod is held in the place of its Job, and is deleted while that stays, as by a drain. The gate on a Job
// holds nobody up there, and neither does this.
func (j *judgement) spared(p Pod) bool {
	return p.DeletionTimestamp != nil && p.Annotations[mark.HeldForJob] != "" && j.Job != nil && j.Job.DeletionTimestamp == nil
}

// holdPod puts the gate on a pod. A crash before it leaves a pod that goes with its Job; what was read of it by then is
// sealed.
func (j *Janitor) holdPod(ctx context.Context, job types.UID, f Facts, d Decision) error {
	if j.dry(job, d.Pod, d) {
		return nil
	}
	return j.confirmed(ctx, job, f, d, func(_ Facts, again Decision) error {
		metadata := gateOn()
		metadata["annotations"] = map[string]string{mark.HeldForJob: "true"}
		_, err := j.cluster.patchPod(ctx, again.Pod, of(again.Pod, "", metadata, nil))
		if err == nil {
			j.parts.Count.HeldPods.Inc()
		}
		return err
	})
}
