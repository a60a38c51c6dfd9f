package cleanup

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
)

// delete deletes what is due: the manifests are read from the store, the object from the API server, and the policy
// decides once more on what they say.
func (j *Janitor) delete(ctx context.Context, job types.UID) error {
	f, ok := j.facts(job)
	if !ok {
		return nil
	}
	due := j.fresh(job, f, j.decided(f, DeleteJob, DeletePod))
	if len(due) == 0 || f.Job != nil && j.dry(job, f.Job, due...) || f.Job == nil && j.dry(job, due[0].Pod, due...) {
		return nil
	}
	p, err := j.proof(ctx, f)
	if err != nil {
		return err
	}
	for _, d := range j.fresh(job, f, j.decided(p.Facts, DeletePod)) {
		if err := j.deletePod(ctx, p, d); err != nil {
			return err
		}
	}
	if f.Job == nil || len(pick(due, DeleteJob)) == 0 || has(f.Job.Finalizers, mark.Finalizer) {
		return nil
	}
	return j.deleteJob(ctx, p)
}

// deleteJob deletes a finished Job.
func (j *Janitor) deleteJob(ctx context.Context, p proven) error {
	if len(j.decided(p.Facts, DeleteJob)) == 0 {
		j.blocked(string(Unsealed))
		return errUnsealed
	}
	if !p.evidence.Document {
		j.blocked("document")
		return errUnwritten
	}
	if err := j.limit.Wait(ctx); err != nil {
		return err
	}
	cached := p.Job
	now, d, ok, err := j.confirm(ctx, p.Facts, Decision{Action: DeleteJob})
	if err != nil {
		j.blocked("api")
		return j.again("delete Job", p.Facts, err)
	}
	switch {
	case !ok && now.Job == cached:
		return nil // it is gone, or is none of ours any more
	case !ok:
		j.log.Info("Job is kept after all", "job", cached.Name, "decisions", reasons(j.decided(now)))
		return nil // its change brings it here again
	case has(now.Job.Finalizers, mark.Finalizer):
		return nil // the gate is taken off first, and that brings it here again
	}
	p.Facts = now
	j.first(cached.UID, cached) // before it is gone: its going forgets all
	err = j.expire(ctx, p, d)
	if err != nil {
		j.undo(cached.UID, cached)
	}
	return err
}

// expire deletes the Job as it was looked at a moment ago.
func (j *Janitor) expire(ctx context.Context, p proven, d Decision) error {
	eligible := latest(latest(d.At, p.Since), p.sealedAt())
	if d.Reason == History {
		// Its own end is long ago: that a newer one has ended is what counts.
		eligible = latest(eligible, j.dueSince(p.Job.UID))
	}
	j.say(ctx, p.Job, jobExpired, fmt.Sprintf("deleted: %s, due since %s; its logs stay in the archive below %s, verdict %s",
		d.Reason, d.At.UTC().Format(time.RFC3339), p.ref.JobPrefix(), p.inWords()))
	if err := j.cluster.deleteJob(ctx, p.Job); err != nil {
		return j.refused("delete Job", p.Facts, err)
	}
	j.parts.Count.Deleted.WithLabelValues("job", string(d.Reason)).Inc()
	j.parts.Count.Lag.Observe(max(0, j.parts.Clock.Now().Sub(eligible).Seconds()))
	j.log.Info("Job is deleted", "job", p.Job.Name, "job_uid", p.Job.UID, "reason", d.Reason, "verdict", p.verdict())
	return nil
}

// deletePod deletes a pod whose manifest was read.
func (j *Janitor) deletePod(ctx context.Context, p proven, d Decision) error {
	if err := j.limit.Wait(ctx); err != nil {
		return err
	}
	_, again, ok, err := j.confirm(ctx, p.Facts, d)
	if err != nil {
		j.blocked("api")
		return j.again("delete pod", p.Facts, err)
	}
	if !ok {
		return nil
	}
	job := types.UID(p.ref.JobUID)
	j.first(job, d.Pod)
	if err := j.cluster.deletePod(ctx, again.Pod); err != nil {
		j.undo(job, d.Pod)
		return j.refused("delete pod", p.Facts, err)
	}
	j.parts.Count.Deleted.WithLabelValues("pod", string(again.Reason)).Inc()
	j.log.Info("pod is deleted", "pod", again.Pod.Name, "pod_uid", again.Pod.UID, "reason", again.Reason)
	return nil
}

// refused counts a deletion that did not happen.
func (j *Janitor) refused(what string, f Facts, err error) error {
	if conflict(err) {
		j.blocked("conflict")
	} else {
		j.blocked("api")
	}
	return j.again(what, f, err)
}
