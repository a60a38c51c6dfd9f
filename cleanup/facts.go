package cleanup

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// facts are those of the cache. Not ok: the Job is not ours to act for, and nothing but its object is in them.
func (j *Janitor) facts(job types.UID) (f Facts, ok bool) {
	s := j.parts.Cache.Standing(job)
	if s.Since.IsZero() {
		j.forget(job)
		return Facts{Job: s.Job}, false
	}
	f = Facts{Job: s.Job, Events: s.Events, Open: s.Open, Doubt: s.Doubt, Kind: s.Kind, Since: s.Since, Ending: j.ends(s.Job)}
	for _, p := range s.Pods {
		if s.Job == nil && !j.claims(p.Pod) {
			continue // perhaps of a Job that is not selected: that one is not in the cache, and its pods are
		}
		f.Pods = append(f.Pods, Pod{PodStanding: p})
	}
	if f.Job != nil && pods.Finished(f.Job) && j.history > 0 {
		f.Newer = newer(f.Job, j.parts.Cache.Related(f.Job))
	}
	j.noteTrouble(job, &f, j.parts.Clock.Now())
	return f, true
}

// noteTrouble remembers since when pods of the Job cannot start, and puts it into the facts. A restart forgets it: then
// the Events tell, or the grace begins anew.
func (j *Janitor) noteTrouble(job types.UID, f *Facts, now time.Time) {
	found := map[types.UID]trouble{}
	j.mu.Lock()
	defer j.mu.Unlock()
	before := j.stuck[job]
	note := func(uid types.UID, why Reason) time.Time {
		s := trouble{why, now}
		if old, ok := before[uid]; ok && old.reason == why {
			s = old
		}
		found[uid] = s
		return s.since
	}
	for i := range f.Pods {
		if h, _ := f.Pods[i].hindered(now); h.reason != "" {
			f.Pods[i].Stuck = note(f.Pods[i].UID, h.reason)
		}
	}
	if f.refused(now) {
		note(job, NoPod)
	}
	j.setTrouble(job, found)
}

// setTrouble keeps the gauge in line. Called with mu held.
func (j *Janitor) setTrouble(job types.UID, found map[types.UID]trouble) {
	for _, s := range j.stuck[job] {
		j.parts.Count.Stuck.WithLabelValues(string(s.reason)).Dec()
	}
	for _, s := range found {
		j.parts.Count.Stuck.WithLabelValues(string(s.reason)).Inc()
	}
	if len(found) == 0 {
		delete(j.stuck, job)
	} else {
		j.stuck[job] = found
	}
}

// forget drops what is remembered of a Job that is gone, or another replica's.
func (j *Janitor) forget(job types.UID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.setTrouble(job, nil)
	j.hold(job, false, time.Time{})
	delete(j.late, job)
	delete(j.untold, job)
	delete(j.acted, job)
	delete(j.rehearsed, job)
	delete(j.gated, job)
}

// hold counts the Jobs that the gate holds. Called with mu held.
func (j *Janitor) hold(job types.UID, held bool, until time.Time) {
	if held {
		j.holding[job] = until
	} else {
		delete(j.holding, job)
	}
	j.parts.Count.Held.Set(float64(len(j.holding)))
}

// refOf names the Job in the archive. Of one that is gone its pods tell.
func refOf(f Facts) archive.PodRef {
	if f.Job != nil {
		return archive.PodRef{Namespace: f.Job.Namespace, Job: f.Job.Name, JobUID: archive.JobUID(f.Job.UID)}
	}
	if len(f.Pods) == 0 {
		return archive.PodRef{}
	}
	return pods.Ref(f.Pods[0].Pod).OfJob()
}

func (j *Janitor) blocked(why string) { j.parts.Count.Blocked.WithLabelValues(why).Inc() }
