package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
func (r *Reader) find(ctx context.Context, t Target) (*found, error) {
	pods := r.spooled(t)
	stored, err := r.stored(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.mayBeElsewhere(t, pods, stored) {
		journaled, err := r.journaled(ctx, t)
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
	manifests, err := r.manifests(ctx, stored)
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

// mayBeElsewhere: a pod of the target may be open in another replica, which only its journal tells.
func (r *Reader) mayBeElsewhere(t Target, here map[PodUID]*foundPod, stored *inStore) bool {
	switch {
	case t.Pod != "":
		return len(here)+len(stored.manifests) == 0
	case t.Job != "" && len(here) > 0:
		return false // all pods of a Job have one owner
	case t.JobUID != "":
		return stored.jobs[t.JobUID] == nil || !stored.jobs[t.JobUID].document
	default:
		return true
	}
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

// matches says whether a pod is one of the target's.
func (t *Target) matches(p PodRef, workloads []string) bool {
	switch {
	case t.Namespace != "" && p.Namespace != t.Namespace:
		return false
	case t.Workload != "":
		return slices.Contains(workloads, t.Workload)
	case t.Job != "":
		return p.Job == t.Job && (t.JobUID == "" || p.JobUID == t.JobUID)
	default:
		return p.Pod == t.Pod && (t.PodUID == "" || p.PodUID == t.PodUID)
	}
}

// spooled gives the target's pods in this process's spool.
func (r *Reader) spooled(t Target) map[PodUID]*foundPod {
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
func (r *Reader) spooledPod(ref PodRef) *foundPod {
	p := &foundPod{logs: map[LogID]*Log{}}
	for _, l := range r.cfg.Spool.Logs(ref.PodUID) {
		p.logs[l.instance.ID()] = l
	}
	// A draft that is not there or cannot be read is made of what the logs say.
	m, err := r.cfg.Spool.Draft(ref.PodUID)
	if err != nil {
		if len(p.logs) == 0 {
			return nil
		}
		m = &Manifest{Version: formatVersion, Pod: PodSummary{PodRef: ref, Phase: "Unknown"}}
	}
	for id, l := range p.logs {
		known := slices.ContainsFunc(m.Instances, func(r InstanceRecord) bool { return r.ID() == id })
		if !known {
			m.Instances = append(m.Instances, InstanceRecord{Instance: l.instance})
		}
	}
	for i := range m.Instances {
		m.Instances[i].takeRecord(p.logs[m.Instances[i].ID()])
	}
	p.Manifest = m
	return p
}

// takeRecord takes in what was written down of a log whose object is in the store already.
func (r *InstanceRecord) takeRecord(l *Log) {
	if l == nil {
		return
	}
	if sealed, ok, err := l.Record(); ok && err == nil {
		r.Verdict, r.Reason, r.Gaps, r.Log = sealed.Verdict, sealed.Reason, sealed.Gaps, sealed.Log
	}
}

// inStore is what the store lists of a target.
type inStore struct {
	manifests []Key
	logs      map[PodUID][]Key // log objects
	jobs      map[JobUID]*jobAt
}

func newInStore() *inStore { return &inStore{logs: map[PodUID][]Key{}, jobs: map[JobUID]*jobAt{}} }

// stored lists the target's keys in the store.
func (r *Reader) stored(ctx context.Context, t Target) (*inStore, error) {
	s := newInStore()
	prefixes, err := r.prefixes(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, prefix := range prefixes {
		for object, err := range r.cfg.Store.List(ctx, prefix, "") {
			if err != nil {
				return nil, err
			}
			s.add(object.Key, t)
		}
		if t.Pod != "" && len(s.manifests) > 0 {
			break
		}
	}
	return s, nil
}

func (s *inStore) add(key Key, t Target) {
	ref, file, ok := splitKey(key)
	if !ok || t.Workload == "" && t.Pod == "" && !t.matches(ref, nil) {
		return
	}
	switch {
	case file == "manifest.json" && (t.Pod == "" || t.matches(ref, nil)):
		s.manifests = append(s.manifests, key)
	case strings.HasSuffix(file, ".log.zst"):
		s.logs[ref.PodUID] = append(s.logs[ref.PodUID], key)
	case file == "job.json":
		s.job(ref).document = true
	}
	if ref.JobUID != "" {
		s.job(ref)
	}
}

func (s *inStore) job(ref PodRef) *jobAt {
	at := s.jobs[ref.JobUID]
	if at == nil {
		ref.Pod, ref.PodUID = "", ""
		at = &jobAt{ref: ref}
		s.jobs[ref.JobUID] = at
	}
	return at
}

// prefixes gives where in the store the target's keys stand, the likeliest place first.
func (r *Reader) prefixes(ctx context.Context, t Target) ([]string, error) {
	switch {
	case t.Workload != "":
		return r.workloadPrefixes(ctx, t)
	case t.Job != "":
		ref := PodRef{Namespace: t.Namespace, Job: t.Job, JobUID: t.JobUID}
		if t.JobUID != "" {
			return []string{ref.JobPrefix()}, nil
		}
		return []string{strings.TrimSuffix(ref.JobPrefix(), "/")}, nil
	default:
		return podPrefixes(t), nil
	}
}

// podPrefixes: a Job's pod is called after its Job, with an index and random letters behind. So the Job's name is the pod's
// less its last part, or its last two; of a Job with a long name only the start is there.
func podPrefixes(t Target) []string {
	const long = 60 // bytes of a name that may be cut; at 63 it is
	folder := fmt.Sprintf("%s/%s/", formatVersion, t.Namespace)
	var exact, cut []string
	name := t.Pod
	for range 2 {
		end := strings.LastIndexByte(name, '-')
		if end <= 0 {
			break
		}
		name = name[:end]
		exact, cut = append(exact, folder+name+"/"), append(cut, folder+name)
	}
	prefixes := append(exact, folder+barePods+"/"+t.Pod+".")
	if len(t.Pod) >= long {
		prefixes = append(prefixes, cut...)
	}
	return prefixes
}

func (r *Reader) workloadPrefixes(ctx context.Context, t Target) ([]string, error) {
	folder := fmt.Sprintf("%s/_index/workload/%s/", formatVersion, t.Workload)
	var prefixes []string
	for object, err := range r.cfg.Store.List(ctx, folder, "") {
		if err != nil {
			return nil, err
		}
		ref, err := parseIndexName(strings.TrimPrefix(string(object.Key), folder))
		if err == nil && (t.Namespace == "" || t.Namespace == ref.Namespace) {
			prefixes = append(prefixes, ref.folder())
		}
	}
	return prefixes, nil
}

// folder is that of the Job, or of a pod without one.
func (p PodRef) folder() string {
	if p.Job == "" {
		return p.Prefix()
	}
	return p.JobPrefix()
}

// splitKey takes the key of something that is kept of a pod or a Job apart.
func splitKey(key Key) (ref PodRef, file string, ok bool) {
	parts := strings.Split(string(key), "/")
	if len(parts) < 5 || parts[0] != formatVersion || strings.HasPrefix(parts[1], "_") {
		return PodRef{}, "", false
	}
	ref.Namespace, file = parts[1], parts[len(parts)-1]
	pod := ""
	switch {
	case parts[2] == barePods && len(parts) == 5:
		pod = parts[3]
	case parts[2] == barePods || len(parts) > 6:
		return PodRef{}, "", false
	default:
		ref.Job, ref.JobUID = parts[2], JobUID(parts[3])
		if len(parts) == 5 {
			return ref, file, true
		}
		pod = parts[4]
	}
	cut := strings.LastIndexByte(pod, '.')
	if cut <= 0 {
		return PodRef{}, "", false
	}
	ref.Pod, ref.PodUID = pod[:cut], PodUID(pod[cut+1:])
	return ref, file, true
}

// manifests reads manifests, some at once. One that is damaged is made again from the log objects.
func (r *Reader) manifests(ctx context.Context, s *inStore) ([]*Manifest, error) {
	all := make([]*Manifest, len(s.manifests))
	for start := 0; start < len(all); start += atOnce {
		err := inParallel(min(atOnce, len(all)-start), func(i int) (err error) {
			key := s.manifests[start+i]
			all[start+i], err = r.manifestAt(ctx, key)
			if errors.Is(err, ErrDamaged) {
				ref, _, _ := splitKey(key)
				all[start+i], err = r.rebuild(ctx, ref, s.logs[ref.PodUID], err)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// rebuild makes a manifest of what the indexes of a pod's log objects say.
func (r *Reader) rebuild(ctx context.Context, ref PodRef, logs []Key, cause error) (*Manifest, error) {
	m := &Manifest{Version: formatVersion, Pod: PodSummary{PodRef: ref, Phase: "Unknown"}}
	m.Diagnosis = fmt.Sprintf("the manifest is damaged (%v); this is what the log objects say", cause)
	for _, key := range logs {
		x, err := ReadIndex(ctx, r.cfg.Store, key)
		if errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k := &kept{Summary: x.Summary, key: key, size: x.size}
		m.Instances = append(m.Instances, k.record(x.Summary.Instance))
	}
	return m, nil
}

func (r *Reader) manifestAt(ctx context.Context, key Key) (*Manifest, error) {
	body, _, err := r.cfg.Store.Get(ctx, key, Range{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	m, err := ReadManifest(body)
	if err = closing(body, err); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return m, nil
}

// Manifest gives what is known of a pod: its manifest where it is sealed, else as far as this process or a journal knows. It
// returns ErrNotFound where that is nothing. Namespace and Pod of the reference are enough; of several pods that had the
// name the newest is given.
func (r *Reader) Manifest(ctx context.Context, pod PodRef) (m *Manifest, sealed bool, err error) {
	if pod.JobUID != "" && pod.PodUID != "" {
		m, err := r.manifestAt(ctx, pod.ManifestKey())
		if err == nil || !errors.Is(err, ErrNotFound) {
			return m, err == nil, err
		}
	}
	f, err := r.find(ctx, Target{Namespace: pod.Namespace, Pod: pod.Pod, PodUID: pod.PodUID})
	if err != nil {
		return nil, false, err
	}
	if len(f.pods) == 0 {
		return nil, false, fmt.Errorf("manifest of %s/%s: %w", pod.Namespace, pod.Pod, ErrNotFound)
	}
	p := f.pods[len(f.pods)-1]
	return p.Manifest, p.sealed, nil
}
