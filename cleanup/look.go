package cleanup

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
)

// look decides by the cache, does what needs no proof, and leaves the rest to the other queues.
func (j *Janitor) look(ctx context.Context, job types.UID) error {
	f, ok := j.facts(job)
	j.crowd(f.Job)
	if !ok {
		return nil
	}
	if err := j.disown(ctx, job, f); err != nil {
		return j.again("take gate off", f, err)
	}
	if f.Job == nil && len(f.Pods) == 0 {
		j.forget(job)
		return nil
	}
	j.prune(job, f)
	var err error
	if f.Ending, err = j.heedNamespace(ctx, job, f); err != nil {
		return j.again("look at namespace", f, err)
	}
	list := j.decided(f)
	j.route(job, f, list)
	if err := j.mark(ctx, job, f, list); err != nil {
		return j.again("put gate", f, err)
	}
	for _, d := range list {
		if err := j.unproven(ctx, job, f, d); err != nil {
			return j.again(string(d.Action), f, err)
		}
	}
	if err := j.date(ctx, job, f, list); err != nil {
		return j.again("date", f, err)
	}
	if err := j.heed(ctx, job, f); err != nil {
		return j.again("delete for its parent", f, err)
	}
	return nil
}

// unproven carries out a decision that needs no proof; of the others, nothing.
func (j *Janitor) unproven(ctx context.Context, job types.UID, f Facts, d Decision) error {
	switch {
	case d.Action == EndPod, d.Action == WithdrawPod, d.Action == EndJob:
		return j.end(ctx, job, f, d)
	case d.Action == HoldPod:
		return j.holdPod(ctx, job, f, d)
	case d.Action == Release && d.Reason != Sealed:
		return j.letGo(ctx, job, f, d)
	case d.Action == ReleasePod && d.Reason != Sealed:
		return j.letPodGo(ctx, f, d)
	}
	return nil
}

// route plans the next look, and hands on what needs a proof.
func (j *Janitor) route(job types.UID, f Facts, list []Decision) {
	now := j.parts.Clock.Now()
	var next, deadline time.Time
	needsProof, deletes := false, false
	for _, d := range list {
		switch {
		case d.Action == Wait:
			if d.Reason == Unsealed {
				deadline = d.At
			}
			if next.IsZero() || d.At.Before(next) {
				next = d.At
			}
		case d.Action == Keep && d.Reason == Unsealed && !d.At.IsZero():
			j.blocked(string(Unsealed)) // its seal brings it here again
		case d.Action == Release || d.Action == ReleasePod:
			needsProof = needsProof || d.Reason == Sealed
		case d.Action == DeleteJob || d.Action == DeletePod:
			deletes = true
		}
	}
	j.mu.Lock()
	j.hold(job, f.Job != nil && f.Job.DeletionTimestamp != nil && has(f.Job.Finalizers, mark.Finalizer), deadline)
	j.await(job, list, now)
	needsProof = needsProof || j.untold[job]
	j.mu.Unlock()
	if needsProof {
		j.proofs.Add(job)
	}
	if deletes {
		j.deletions.Add(job)
	}
	if !next.IsZero() {
		j.seen.AddAfter(job, next.Sub(now))
	}
}

// again says how a failure is met: what was not as it was seen is looked at again, and so is all else, later each time.
func (j *Janitor) again(what string, f Facts, err error) error {
	if apierrors.IsNotFound(err) {
		return nil // its going brings it here again
	}
	if !conflict(err) {
		j.log.Warn(what, "job", refOf(f).Job, "err", err)
	}
	return err
}

// mark puts the gate on and takes over the TTL, in one request.
func (j *Janitor) mark(ctx context.Context, job types.UID, f Facts, list []Decision) error {
	due := pick(list, Hold, AdoptTTL)
	if len(due) == 0 || j.dry(job, f.Job, due...) {
		return nil
	}
	_, err := j.once(job, f.Job, func() (bool, error) {
		now, ok, err := j.ours(ctx, f, nil, false)
		if ok && err == nil {
			err = j.putOn(ctx, now)
		}
		return ok, err
	})
	return err
}

// putOn is mark for a Job as it is now.
func (j *Janitor) putOn(ctx context.Context, f Facts) error {
	list := j.decided(f)
	gate, adopt := pick(list, Hold), pick(list, AdoptTTL)
	if len(gate)+len(adopt) == 0 {
		return nil // somebody has done it
	}
	metadata, spec, version := map[string]any{}, map[string]any(nil), ""
	if len(gate) > 0 {
		maps.Copy(metadata, gateOn())
	}
	if len(adopt) > 0 {
		// With the version: between the look and the patch its owner may have changed it.
		version = f.Job.ResourceVersion
		metadata["annotations"] = map[string]string{mark.AdoptedTTL: strconv.Itoa(int(*f.Job.Spec.TTLSecondsAfterFinished))}
		spec = map[string]any{"ttlSecondsAfterFinished": nil}
	}
	if err := j.cluster.patchJob(ctx, f.Job, of(f.Job, version, metadata, spec)); err != nil {
		return err
	}
	j.parts.Count.Gated.Add(float64(len(gate)))
	j.parts.Count.Adopted.Add(float64(len(adopt)))
	j.log.Debug("gate is on", "job", f.Job.Name, "adopted_ttl", len(adopt) > 0)
	return nil
}

// letGo takes the gate off a Job whose logs are not proven to be archived: its time is over, or its pods live on.
func (j *Janitor) letGo(ctx context.Context, job types.UID, f Facts, d Decision) error {
	_, err := j.once(job, f.Job, func() (bool, error) {
		now, again, ok, err := j.confirm(ctx, f, d)
		if ok = ok && again.Reason == d.Reason; ok && err == nil {
			err = j.openUnproven(ctx, now, again)
		}
		return ok, err
	})
	return err
}

// openUnproven is letGo for a Job as it is now.
func (j *Janitor) openUnproven(ctx context.Context, f Facts, d Decision) error {
	metadata, message := gateOff(), "the Job's pods live on without it, so it is not held"
	if d.Reason == Deadline {
		metadata["annotations"] = map[string]string{mark.Verdict: string(archive.Lost), mark.ArchiveKey: refOf(f).JobPrefix()}
		message = fmt.Sprintf("not all logs were in the archive %s after the end, so the Job is let go; what was read of them is archived all the same, below %s",
			j.cfg.GateDeadline, refOf(f).JobPrefix())
	}
	if err := j.cluster.patchJob(ctx, f.Job, of(f.Job, "", metadata, nil)); err != nil {
		return err
	}
	j.parts.Count.Released.WithLabelValues(string(d.Reason)).Inc()
	j.log.Warn("gate is open, and not for a seal", "job", f.Job.Name, "reason", d.Reason)
	if d.Reason == Deadline {
		j.say(ctx, f.Job, logsLost, message)
	}
	j.say(ctx, f.Job, gateReleased, message)
	return nil
}

// letPodGo takes the gate off a pod, for whatever reason.
func (j *Janitor) letPodGo(ctx context.Context, f Facts, d Decision) error {
	_, again, ok, err := j.confirm(ctx, f, d)
	if !ok || err != nil {
		return err
	}
	if _, err := j.cluster.patchPod(ctx, again.Pod, of(again.Pod, "", gateOff(), nil)); err != nil {
		return err
	}
	j.parts.Count.Released.WithLabelValues(string(again.Reason)).Inc()
	if again.Reason != Sealed {
		j.log.Warn("gate of pod is open, and not for a seal", "pod", again.Pod.Name, "reason", again.Reason)
	}
	return nil
}
