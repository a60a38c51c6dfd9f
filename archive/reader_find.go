package archive

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// found is what the archive knows of a target at one moment.
type found struct {
	pods []*foundPod       // in the order in which they were made
	jobs map[JobUID]*jobAt // those whose folder is in the store
}

// jobAt says what stands in a Job's folder.
type jobAt struct {
	ref      PodRef // without the pod
	document bool   // job.json is there: no further pod will come
}

// foundPod is a pod with all that is known of it.
type foundPod struct {
	*Manifest
	sealed  bool
	logs    map[LogID]*Log         // open in this process
	journal map[LogID]*journalText // held by another replica
	replica string                 // which one
}

// find looks into the spool before it looks into the store: a pod leaves the spool only after its manifest is in the store,
// so that one of the two has it.
func (r *Finder) find(ctx context.Context, t Target) (*found, error) {
	pods := r.spooled(t)
	stored, err := r.stored(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.mayBeElsewhere(t, pods, stored) {
		journaled, err := r.journaled(ctx, t, len(pods)+len(stored.manifests) == 0 || r.gaveAway(t, pods))
		if err != nil {
			return nil, err
		}
		if len(journaled) > 0 { // what was sealed meanwhile has left its journal
			if stored, err = r.stored(ctx, t); err != nil {
				return nil, err
			}
		}
		for uid, p := range journaled {
			if pods[uid] == nil {
				pods[uid] = p
			}
		}
	}
	manifests, err := r.manifests(ctx, stored, r.listedManifest)
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		pods[m.Pod.PodUID] = &foundPod{Manifest: m, sealed: true}
	}
	f := &found{pods: slices.Collect(maps.Values(pods)), jobs: stored.jobs}
	slices.SortFunc(f.pods, inTime)
	return f, nil
}

// within leaves out what is of other namespaces than asked for. What was found may be shared, and stays as it is.
func (f *found) within(asked func(namespace string) bool) *found {
	if asked == nil {
		return f
	}
	rest := &found{jobs: map[JobUID]*jobAt{}}
	for _, p := range f.pods {
		if asked(p.Pod.Namespace) {
			rest.pods = append(rest.pods, p)
		}
	}
	for uid, job := range f.jobs {
		if asked(job.ref.Namespace) {
			rest.jobs[uid] = job
		}
	}
	return rest
}

// mayBeElsewhere: a pod of the target may be open in another replica, which only its journal tells.
func (r *Finder) mayBeElsewhere(t Target, here map[PodUID]*foundPod, stored *inStore) bool {
	switch {
	case t.Pod != "":
		return len(here)+len(stored.manifests) == 0 || t.PodUID == "" && nameComesAgain(here, stored)
	case t.JobUID != "" && len(here) > 0:
		return false // all pods of a Job have one owner, but not those of two Jobs that had one name
	case t.JobUID != "":
		return stored.jobs[t.JobUID] == nil || !stored.jobs[t.JobUID].document
	default:
		return true
	}
}

// nameComesAgain: a pod without a Job can be made anew under its name, and then be another replica's. Names that a
// Job makes have random letters.
func nameComesAgain(here map[PodUID]*foundPod, stored *inStore) bool {
	for _, p := range here {
		if p.Pod.Job == "" {
			return true
		}
	}
	return slices.ContainsFunc(stored.manifests, func(o Object) bool {
		ref, _, _ := splitKey(o.Key)
		return ref.Job == ""
	})
}

// gaveAway: this process has handed a pod of the target over, whose next owner may not have journaled it yet: until
// then it is in the journal of this one.
func (r *Finder) gaveAway(t Target, here map[PodUID]*foundPod) bool {
	if r.cfg.Spool == nil {
		return false
	}
	return slices.ContainsFunc(r.cfg.Spool.gaveAway(), func(d draftRef) bool {
		return here[d.PodUID] == nil && t.matches(d.PodRef, d.workloads)
	})
}

// inTime orders pods by the time at which their Jobs and they were made.
func inTime(a, b *foundPod) int {
	return cmp.Or(a.jobMade().Compare(b.jobMade()), a.Pod.CreatedAt.Compare(b.Pod.CreatedAt),
		cmp.Compare(a.Pod.Pod, b.Pod.Pod), cmp.Compare(a.Pod.PodUID, b.Pod.PodUID))
}

func (p *foundPod) jobMade() time.Time {
	if p.Job != nil {
		return p.Job.CreatedAt
	}
	return p.Pod.CreatedAt
}

// matches says whether a pod is one of the target's. A target that names nothing but a namespace, as only a list has it, is
// all pods there.
func (t *Target) matches(p PodRef, workloads []string) bool {
	switch {
	case t.Namespace != "" && p.Namespace != t.Namespace:
		return false
	case t.Workload != "":
		return slices.Contains(workloads, t.Workload)
	case t.Job != "":
		return p.Job == t.Job && (t.JobUID == "" || p.JobUID == t.JobUID)
	default:
		return (t.Pod == "" || p.Pod == t.Pod) && (t.PodUID == "" || p.PodUID == t.PodUID)
	}
}

// spooled gives the target's pods in this process's spool.
func (r *Finder) spooled(t Target) map[PodUID]*foundPod {
	pods := map[PodUID]*foundPod{}
	if r.cfg.Spool == nil {
		return pods
	}
	for _, d := range r.cfg.Spool.drafts() {
		if t.matches(d.PodRef, d.workloads) {
			if p := r.spooledPod(d.PodRef); p != nil {
				pods[d.PodUID] = p
			}
		}
	}
	return pods
}

// spooledPod gives what the spool holds of a pod, nil where that is nothing.
func (r *Finder) spooledPod(ref PodRef) *foundPod {
	p := &foundPod{logs: map[LogID]*Log{}}
	for _, l := range r.cfg.Spool.Logs(ref.PodUID) {
		p.logs[l.Instance().ID()] = l
	}
	// A draft that is not there or cannot be read is made of what the logs say.
	m := &Manifest{Version: formatVersion, Pod: PodSummary{PodRef: ref, Phase: "Unknown"}}
	if draft, err := r.cfg.Spool.Draft(ref.PodUID); err == nil {
		m = &draft.Manifest
	} else if len(p.logs) == 0 {
		return nil
	}
	for id, l := range p.logs {
		known := slices.ContainsFunc(m.Instances, func(r InstanceRecord) bool { return r.ID() == id })
		if !known {
			m.Instances = append(m.Instances, InstanceRecord{Instance: l.Instance()})
		}
	}
	for i := range m.Instances {
		takeRecord(&m.Instances[i], p.logs[m.Instances[i].ID()])
	}
	p.Manifest = m
	return p
}

// takeRecord takes in what was written down of a log whose object is in the store already.
func takeRecord(r *InstanceRecord, l *Log) {
	if l == nil {
		return
	}
	if sealed, ok, err := l.Record(); ok && err == nil {
		r.Verdict, r.Reason, r.Gaps, r.Seams, r.Log = sealed.Verdict, sealed.Reason, sealed.Gaps, sealed.Seams, sealed.Log
	}
}
