package find

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// Found is what the archive knows of a target at one moment.
type Found struct {
	Pods []*FoundPod               // in the order in which they were made
	jobs map[archive.JobUID]*jobAt // those whose folder is in the store
}

// jobAt says what stands in a Job's folder.
type jobAt struct {
	ref      archive.PodRef // without the pod
	document bool           // job.json is there: no further pod will come
}

// FoundPod is a pod with all that is known of it.
type FoundPod struct {
	*archive.Manifest
	Sealed  bool
	Logs    map[archive.LogID]*spool.Log // open in this process
	Journal map[archive.LogID]*Journaled // held by another replica
	Replica string                       // which one
}

// Find looks into the spool before it looks into the store: a pod leaves the spool only after its manifest is in the
// store, so that one of the two has it.
func (r *Finder) Find(ctx context.Context, t archive.Target) (*Found, error) {
	pods := r.spooled(t)
	stored, err := r.Stored(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.mayBeElsewhere(t, pods, stored) {
		journaled, err := r.journaled(ctx, t, len(pods)+len(stored.Manifests) == 0 || r.gaveAway(t, pods))
		if err != nil {
			return nil, err
		}
		if len(journaled) > 0 { // what was sealed meanwhile has left its journal
			if stored, err = r.Stored(ctx, t); err != nil {
				return nil, err
			}
		}
		for uid, p := range journaled {
			if pods[uid] == nil {
				pods[uid] = p
			}
		}
	}
	manifests, err := r.Manifests(ctx, stored, r.listedManifest)
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		pods[m.Pod.PodUID] = &FoundPod{Manifest: m, Sealed: true}
	}
	f := &Found{Pods: slices.Collect(maps.Values(pods)), jobs: stored.jobs}
	slices.SortFunc(f.Pods, inTime)
	return f, nil
}

// Within leaves out what is of other namespaces than asked for. What was found may be shared, and stays as it is.
func (f *Found) Within(asked func(namespace string) bool) *Found {
	if asked == nil {
		return f
	}
	rest := &Found{jobs: map[archive.JobUID]*jobAt{}}
	for _, p := range f.Pods {
		if asked(p.Pod.Namespace) {
			rest.Pods = append(rest.Pods, p)
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
func (r *Finder) mayBeElsewhere(t archive.Target, here map[archive.PodUID]*FoundPod, stored *inStore) bool {
	switch {
	case t.Pod != "":
		return len(here)+len(stored.Manifests) == 0 || t.PodUID == "" && nameComesAgain(here, stored)
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
func nameComesAgain(here map[archive.PodUID]*FoundPod, stored *inStore) bool {
	for _, p := range here {
		if p.Pod.Job == "" {
			return true
		}
	}
	return slices.ContainsFunc(stored.Manifests, func(o archive.Object) bool {
		ref, _, _ := archive.SplitKey(o.Key)
		return ref.Job == ""
	})
}

// gaveAway: this process has handed a pod of the target over, whose next owner may not have journaled it yet: until
// then it is in the journal of this one.
func (r *Finder) gaveAway(t archive.Target, here map[archive.PodUID]*FoundPod) bool {
	if r.Cfg.Spool == nil {
		return false
	}
	return slices.ContainsFunc(r.Cfg.Spool.GaveAway(), func(d spool.DraftRef) bool {
		return here[d.PodUID] == nil && t.Matches(d.PodRef, d.Workloads)
	})
}

// inTime orders pods by the time at which their Jobs and they were made.
func inTime(a, b *FoundPod) int {
	return cmp.Or(a.jobMade().Compare(b.jobMade()), a.Pod.CreatedAt.Compare(b.Pod.CreatedAt),
		cmp.Compare(a.Pod.Pod, b.Pod.Pod), cmp.Compare(a.Pod.PodUID, b.Pod.PodUID))
}

func (p *FoundPod) jobMade() time.Time {
	if p.Job != nil {
		return p.Job.CreatedAt
	}
	return p.Pod.CreatedAt
}

// spooled returns the target's pods in this process's spool.
func (r *Finder) spooled(t archive.Target) map[archive.PodUID]*FoundPod {
	pods := map[archive.PodUID]*FoundPod{}
	if r.Cfg.Spool == nil {
		return pods
	}
	for _, d := range r.Cfg.Spool.Drafts() {
		if t.Matches(d.PodRef, d.Workloads) {
			if p := r.spooledPod(d.PodRef); p != nil {
				pods[d.PodUID] = p
			}
		}
	}
	return pods
}

// spooledPod returns what the spool holds of a pod, nil where that is nothing.
func (r *Finder) spooledPod(ref archive.PodRef) *FoundPod {
	p := &FoundPod{Logs: map[archive.LogID]*spool.Log{}}
	for _, l := range r.Cfg.Spool.Logs(ref.PodUID) {
		p.Logs[l.Instance().ID()] = l
	}
	// A draft that is not there or cannot be read is made of what the logs say.
	m := archive.UnknownPod(ref)
	if draft, err := r.Cfg.Spool.Draft(ref.PodUID); err == nil {
		m = &draft.Manifest
	} else if len(p.Logs) == 0 {
		return nil
	}
	for id, l := range p.Logs {
		if m.Instance(id) == nil {
			m.Instances = append(m.Instances, archive.InstanceRecord{Instance: l.Instance()})
		}
	}
	for i := range m.Instances {
		takeRecord(&m.Instances[i], p.Logs[m.Instances[i].ID()])
	}
	p.Manifest = m
	return p
}

// takeRecord takes in what was written down of a log whose object is in the store already.
func takeRecord(r *archive.InstanceRecord, l *spool.Log) {
	if l == nil {
		return
	}
	if sealed, ok, err := l.Record(); ok && err == nil {
		r.Verdict, r.Reason, r.Gaps, r.Seams, r.Log = sealed.Verdict, sealed.Reason, sealed.Gaps, sealed.Seams, sealed.Log
	}
}

// Config says where a Reader finds logs.
type Config struct {
	Store archive.Store // required
	Codec *format.Codec // required
	// Spool is that of this process, where the logs are that it follows; nil: the process follows none, as a command
	// line tool. What other replicas hold open is read from their journals.
	Spool *spool.Spool
	// Replica is this process's name, whose journal holds nothing that Spool does not; "" with a nil Spool.
	Replica string
	// Poll is how often the store is looked at while following what another replica holds; 0 is 5 s, the interval of a
	// journal. What this process holds itself is waited for, not looked at.
	Poll time.Duration
}

// Finder finds the pods and logs that a target names, wherever they are. It changes nothing. Safe for concurrent use.
type Finder struct {
	Cfg      Config
	journals journalCache
	lists    listCache
	finding  singleflight.Group // by target and the spool's count of news
}

// New makes a Finder.
func New(cfg Config) *Finder {
	if cfg.Poll <= 0 {
		cfg.Poll = 5 * time.Second
	}
	return &Finder{Cfg: cfg, journals: newJournalCache(), lists: newListCache()}
}

// Settled returns a record as it counts: what an open pod's draft calls never started may start yet.
func (p *FoundPod) Settled(record archive.InstanceRecord) archive.InstanceRecord {
	if !p.Sealed && record.Verdict == archive.NeverStarted {
		record.Verdict = ""
	}
	return record
}

// FindTogether is Find for followers of the same target: those that heard of the same news share what one of them
// finds.
func (r *Finder) FindTogether(ctx context.Context, t archive.Target) (*Found, error) {
	if r.Cfg.Spool == nil {
		return r.Find(ctx, t)
	}
	key := fmt.Sprintf("%+v %d", t, r.Cfg.Spool.Told.Load())
	v, err, shared := r.finding.Do(key, func() (any, error) { return r.Find(ctx, t) })
	if err != nil && shared && ctx.Err() == nil {
		return r.Find(ctx, t) // the one that looked may have been given up
	}
	if err != nil {
		return nil, err
	}
	return v.(*Found), nil
}

// Over reports whether no line will come but of the logs that are known: all pods are sealed, and there will be no
// other. nothingMore says that nobody will make another pod.
func (f *Found) Over(q *archive.Query, nothingMore bool) bool {
	pods := len(f.Pods) > 0
	switch {
	case slices.ContainsFunc(f.Pods, func(p *FoundPod) bool { return !p.Sealed }):
		return false
	case q.Target.Pod != "" || nothingMore:
		return pods
	default:
		return f.Documented() && (q.More == nil || !q.More())
	}
}

// Documented reports whether all Jobs of the target have their documents, so that none of them gets another pod.
// Without a Job in the store it is false.
func (f *Found) Documented() bool {
	for _, job := range f.jobs {
		if !job.document {
			return false
		}
	}
	return len(f.jobs) > 0
}

// Key returns the pod's place in the order of an answer. It stays as it is when the pod is sealed.
func (p *FoundPod) Key() archive.PodKey {
	return archive.PodKey{Job: archive.Nanos(p.jobMade()), Pod: archive.Nanos(p.Pod.CreatedAt), Name: p.Pod.Pod, UID: p.Pod.PodUID}
}
