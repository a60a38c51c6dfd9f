package archive

import (
	"context"
	"fmt"
	"strings"
)

// inStore is what the store lists of a target.
type inStore struct {
	manifests []Object
	logs      map[PodUID][]Key // log objects
	jobs      map[JobUID]*jobAt
}

func newInStore() *inStore { return &inStore{logs: map[PodUID][]Key{}, jobs: map[JobUID]*jobAt{}} }

// stored lists the target's keys in the store.
func (r *Finder) stored(ctx context.Context, t Target) (*inStore, error) {
	s := newInStore()
	prefixes, err := r.prefixes(ctx, t)
	if err == nil {
		err = r.list(ctx, t, prefixes, s)
	}
	if err == nil && t.Pod != "" && len(s.manifests) == 0 {
		if prefixes, err = r.indexed(ctx, podIndexFolder(t.Namespace, t.Pod), t); err == nil {
			err = r.list(ctx, t, prefixes, s)
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// list lists what stands under prefixes; of a pod no further than it is found.
func (r *Finder) list(ctx context.Context, t Target, prefixes []string, s *inStore) error {
	for _, prefix := range prefixes {
		for object, err := range r.cfg.Store.List(ctx, prefix, "") {
			if err != nil {
				return err
			}
			s.add(object, t)
		}
		if t.Pod != "" && len(s.manifests) > 0 {
			break
		}
	}
	return nil
}

func (s *inStore) add(object Object, t Target) {
	key := object.Key
	ref, file, ok := splitKey(key)
	if !ok || t.Workload == "" && t.Pod == "" && !t.matches(ref, nil) {
		return
	}
	switch {
	case file == "manifest.json" && (t.Pod == "" || t.matches(ref, nil)):
		s.manifests = append(s.manifests, object)
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
func (r *Finder) prefixes(ctx context.Context, t Target) ([]string, error) {
	switch {
	case t.Workload != "":
		return r.indexed(ctx, fmt.Sprintf("%s/_index/workload/%s/", formatVersion, t.Workload), t)
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
	exact = append(exact, folder+barePods+"/"+t.Pod+".")
	if len(t.Pod) >= long {
		exact = append(exact, cut...)
	}
	return exact
}

// indexed gives the folders of the Jobs that a folder of an index names.
func (r *Finder) indexed(ctx context.Context, folder string, t Target) ([]string, error) {
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
	var pod string
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
