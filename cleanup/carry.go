package cleanup

import (
	"context"
	"fmt"
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
)

// prove takes the gate off what is archived, and tells the owners of Jobs what became of their logs.
func (j *Janitor) prove(ctx context.Context, job types.UID) error {
	now := j.parts.Clock.Now()
	f, ok := j.facts(job, now)
	if !ok || f.Job == nil && len(f.Pods) == 0 {
		return nil
	}
	tell := j.tells(job, f)
	if !tell && len(pick(Decide(f, j.cfg.Cleanup, now), Release, ReleasePod)) == 0 {
		return nil
	}
	p, err := j.proof(ctx, f)
	if err != nil {
		return err
	}
	list := Decide(p.Facts, j.cfg.Cleanup, j.parts.Clock.Now())
	for _, d := range pick(list, ReleasePod) {
		if d.Reason != Sealed || j.dry(job, d.Pod, d) {
			continue
		}
		if err := j.letPodGo(ctx, p.Facts, d); err != nil && !gone(err) {
			return err
		}
	}
	if p.Job == nil {
		return nil
	}
	return j.open(ctx, job, p, list, tell)
}

// open takes the gate off the Job and writes on it what became of its logs.
func (j *Janitor) open(ctx context.Context, job types.UID, p proven, list []Decision, tell bool) error {
	if p.Hidden {
		j.blocked(string(Unsealed))
		return nil // neither lost nor archived can be said of it; a person decides, or the deadline of its deletion
	}
	release := pick(list, Release)
	finished := !finishedAt(p.Job).IsZero()
	switch {
	case len(release) == 0 && !tell:
		return nil // the store knows better than the cache: its seal brings it here again
	case finished && !p.evidence.Document:
		return errUnwritten
	case j.cfg.DryRun && p.Job.DeletionTimestamp == nil:
		j.dry(job, p.Job, release...)
		j.told(job)
		return nil
	}
	if p.Job.DeletionTimestamp == nil && !p.Ending {
		if err := j.pace.Wait(ctx); err != nil {
			return err
		}
	}
	words := map[string]string{mark.ArchiveKey: p.ref.JobPrefix(), mark.Verdict: string(p.verdict())}
	if p.Ending && len(release) > 0 {
		words[mark.Released] = time.Now().UTC().Format(time.RFC3339) // a daemon that starts meanwhile must not put it on again
	}
	if len(release) == 0 && carries(p.Job, words) {
		// An answer was lost: all is done. Done again it would give the Job no new version, and the deletion waits for one.
		j.told(job)
		return nil
	}
	cached := p.Job
	if !j.first(job, cached) {
		return nil
	}
	now, ok, err := j.ours(ctx, p.Facts, nil, len(release) > 0)
	if p.Facts = now; ok && err == nil {
		err = j.openProven(ctx, p, words)
	}
	if ok && err == nil {
		j.told(job)
		return nil
	}
	j.undo(job, cached)
	if err != nil {
		return j.again("open gate", p.Facts, err)
	}
	return nil
}

// openProven is open for a Job as it is now.
func (j *Janitor) openProven(ctx context.Context, p proven, words map[string]string) error {
	list := Decide(p.Facts, j.cfg.Cleanup, j.parts.Clock.Now())
	release := pick(list, Release)
	metadata := map[string]any{"annotations": words}
	if len(release) > 0 {
		maps.Copy(metadata, gateOff())
	}
	if err := j.cluster.patchJob(ctx, p.Job, of(p.Job, "", metadata, nil)); err != nil {
		return err
	}
	j.parts.Count.Unseen.Add(float64(p.unseen))
	if len(release) > 0 {
		j.parts.Count.Released.WithLabelValues(string(Sealed)).Inc()
	}
	if p.Job.Annotations[mark.Verdict] == "" {
		j.sayLogs(ctx, p, list)
	}
	if p.Job.DeletionTimestamp != nil {
		j.say(ctx, p.Job, gateReleased, "the logs are archived, so the deleted Job is let go")
	}
	j.log.Info("gate is open", "job", p.Job.Name, "verdict", p.verdict(), "deleted", p.Job.DeletionTimestamp != nil)
	return nil
}

// delete deletes what is due: the manifests are read from the store, the object from the API server, and the policy decides
// once more on what they say.
func (j *Janitor) delete(ctx context.Context, job types.UID) error {
	now := j.parts.Clock.Now()
	f, ok := j.facts(job, now)
	if !ok {
		return nil
	}
	due := j.fresh(job, f, pick(Decide(f, j.cfg.Cleanup, now), DeleteJob, DeletePod))
	if len(due) == 0 || f.Job != nil && j.dry(job, f.Job, due...) || f.Job == nil && j.dry(job, due[0].Pod, due...) {
		return nil
	}
	p, err := j.proof(ctx, f)
	if err != nil {
		return err
	}
	for _, d := range j.fresh(job, f, pick(Decide(p.Facts, j.cfg.Cleanup, j.parts.Clock.Now()), DeletePod)) {
		if err := j.deletePod(ctx, p, d); err != nil {
			return err
		}
	}
	if f.Job == nil || len(pick(due, DeleteJob)) == 0 || has(f.Job.Finalizers, mark.Finalizer) {
		return nil
	}
	return j.deleteJob(ctx, p)
}

// fresh leaves out what was done already to an object as the cache has it.
func (j *Janitor) fresh(job types.UID, f Facts, list []Decision) []Decision {
	j.mu.Lock()
	defer j.mu.Unlock()
	var left []Decision
	for _, d := range list {
		var o metav1.Object = f.Job
		if d.Pod != nil {
			o = d.Pod
		}
		if v, done := j.acted[job][o.GetUID()]; !done || v != o.GetResourceVersion() {
			left = append(left, d)
		}
	}
	return left
}

// deleteJob deletes a finished Job.
func (j *Janitor) deleteJob(ctx context.Context, p proven) error {
	if d := pick(Decide(p.Facts, j.cfg.Cleanup, j.parts.Clock.Now()), DeleteJob); len(d) == 0 {
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
		j.log.Info("Job is kept after all", "job", cached.Name, "decisions", reasons(Decide(now, j.cfg.Cleanup, j.parts.Clock.Now())))
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
		eligible = latest(eligible, j.dueSince(p.Job.UID)) // its own end is long ago: that a newer one has ended is what counts
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

func reasons(list []Decision) []string {
	var words []string
	for _, d := range list {
		words = append(words, string(d.Action)+" "+string(d.Reason))
	}
	return words
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
