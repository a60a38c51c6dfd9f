package cleanup

import (
	"context"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// prove takes the gate off what is archived, and tells the owners of Jobs what became of their logs.
func (j *Janitor) prove(ctx context.Context, job types.UID) error {
	f, ok := j.facts(job)
	if !ok || f.Job == nil && len(f.Pods) == 0 {
		return nil
	}
	tell := j.tells(job, f)
	if !tell && len(j.decided(f, Release, ReleasePod)) == 0 {
		return nil
	}
	p, err := j.proof(ctx, f)
	if err != nil {
		return err
	}
	list := j.decided(p.Facts)
	for _, d := range pick(list, ReleasePod) {
		if d.Reason != Sealed || j.dry(job, d.Pod, d) {
			continue
		}
		if err := j.letPodGo(ctx, p.Facts, d); err != nil && !apierrors.IsNotFound(err) {
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
	finished := pods.Finished(p.Job)
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
		maps.Copy(words, released()) // for a daemon that starts meanwhile
	}
	if len(release) == 0 && carries(p.Job, words) {
		// An answer was lost: all is done. Done again it would give the Job no new version, and the deletion waits for
		// one.
		j.told(job)
		return nil
	}
	done, err := j.once(job, p.Job, func() (ok bool, err error) {
		if p.Facts, ok, err = j.ours(ctx, p.Facts, nil, len(release) > 0); ok && err == nil {
			err = j.openProven(ctx, p, words)
		}
		return ok, err
	})
	if done {
		j.told(job)
	}
	if err != nil {
		return j.again("open gate", p.Facts, err)
	}
	return nil
}

// openProven is open for a Job as it is now.
func (j *Janitor) openProven(ctx context.Context, p proven, words map[string]string) error {
	list := j.decided(p.Facts)
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
