package cleanup

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// ours is the one place that reports whether a Job, or one of its pods, may be touched, and every change goes through
// it. It asks the API server for the Job, and for the pod where one is meant, and returns the facts with both as they
// are at this moment. Not ok: hands off. What the cache knows is never enough: it holds the pods of all Jobs and only
// the selected Jobs, so that a stranger's pod looks there as one whose Job is gone; and it may be behind.
//
// releasing is for taking the gate off, for which the finalizer itself is the word: it may have been put on before the
// Job left the selection, and nobody else would take it off.
func (j *Janitor) ours(ctx context.Context, f Facts, pod *corev1.Pod, releasing bool) (now Facts, ok bool, err error) {
	ref := refOf(f)
	now = f
	if now.Job, err = j.cluster.job(ctx, ref.Namespace, ref.Job, types.UID(ref.JobUID)); err != nil {
		return f, false, err
	}
	switch job := now.Job; {
	case job == nil && f.Job != nil:
		return f, false, nil // its going brings it here again
	case job != nil:
		now.Kind = pods.Kind(job)
		if held := f.Job != nil && has(job.Finalizers, mark.Finalizer); !j.picks(job.Labels) && !(releasing && held) {
			return f, false, nil
		}
	}
	if pod == nil {
		return now, now.Job != nil, nil
	}
	live, err := j.cluster.pod(ctx, pod)
	if err != nil || live == nil {
		return f, false, err
	}
	now.Pods = with(f.Pods, live)
	if releasing && has(live.Finalizers, mark.Finalizer) {
		return now, true, nil
	}
	if now.Job != nil {
		return now, belongs(live, now.Job.UID), nil
	}
	return now, j.claims(live), nil
}

// disown takes the gate off a Job that has left the selection. The cache loses it then as if it were gone, and nobody
// else takes off what was put on here. If a restart comes in between it is forgotten, and `release` by hand is left.
func (j *Janitor) disown(ctx context.Context, job types.UID, f Facts) error {
	if j.cfg.Selector == nil || j.cfg.Selector.Empty() {
		return nil
	}
	j.mu.Lock()
	last := j.gated[job]
	delete(j.gated, job)
	if f.Job != nil && has(f.Job.Finalizers, mark.Finalizer) {
		j.gated[job] = f.Job
	}
	j.mu.Unlock()
	if f.Job != nil || last == nil || j.cfg.DryRun {
		return nil
	}
	now, ok, err := j.ours(ctx, Facts{Job: last}, nil, true)
	if ok && !j.picks(now.Job.Labels) {
		if err = j.cluster.patchJob(ctx, now.Job, of(now.Job, "", gateOff(), nil)); err == nil {
			j.log.Info("gate is off a Job that has left the selection", "job", last.Name)
		}
	}
	if err != nil && !apierrors.IsNotFound(err) {
		j.mu.Lock()
		j.gated[job] = last
		j.mu.Unlock()
	}
	return err
}

// picks: what has these labels is of those that are watched.
func (j *Janitor) picks(l map[string]string) bool {
	return j.cfg.Selector == nil || j.cfg.Selector.Matches(labels.Set(l))
}

// claims: the pod, which has no Job any more, says itself that it was one of ours. Where all Jobs are, it is; else its
// own labels must be selected. From one that carries the gate it is taken, which the finalizer is the word for. One
// that says neither may have been anybody's, and stays.
func (j *Janitor) claims(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	return (owner == nil || pods.IsJob(*owner)) && (j.picks(p.Labels) || has(p.Finalizers, mark.Finalizer))
}

// belongs: the pod is the Job's. Labels that say so are not enough: anybody writes them, and who was orphaned keeps
// them.
func belongs(p *corev1.Pod, job types.UID) bool {
	return slices.ContainsFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == job && pods.IsJob(o) })
}

// with returns the pods with one of them as it is now.
func with(pods []Pod, live *corev1.Pod) []Pod {
	pods = slices.Clone(pods)
	for i := range pods {
		if pods[i].UID == live.UID {
			pods[i].Pod = live
		}
	}
	return pods
}
