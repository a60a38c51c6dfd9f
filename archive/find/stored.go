package find

import (
	"context"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
)

// inStore is what the store lists of a target.
type inStore struct {
	Manifests []archive.Object
	logs      map[archive.PodUID][]archive.Key // log objects
	jobs      map[archive.JobUID]*jobAt
}

func newInStore() *inStore {
	return &inStore{logs: map[archive.PodUID][]archive.Key{}, jobs: map[archive.JobUID]*jobAt{}}
}

// Stored lists the target's keys in the store.
func (r *Finder) Stored(ctx context.Context, t archive.Target) (*inStore, error) {
	s := newInStore()
	prefixes, err := r.prefixes(ctx, t)
	if err == nil {
		err = r.list(ctx, t, prefixes, s)
	}
	if err == nil && t.Pod != "" && len(s.Manifests) == 0 {
		if prefixes, err = r.indexed(ctx, archive.PodIndexFolder(t.Namespace, t.Pod), t); err == nil {
			err = r.list(ctx, t, prefixes, s)
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// list lists what stands under prefixes; of a pod no further than it is found.
func (r *Finder) list(ctx context.Context, t archive.Target, prefixes []string, s *inStore) error {
	for _, prefix := range prefixes {
		for object, err := range r.Cfg.Store.List(ctx, prefix, "") {
			if err != nil {
				return err
			}
			s.add(object, t)
		}
		if t.Pod != "" && len(s.Manifests) > 0 {
			break
		}
	}
	return nil
}

func (s *inStore) add(object archive.Object, t archive.Target) {
	key := object.Key
	ref, file, ok := archive.SplitKey(key)
	if !ok || t.Workload == "" && t.Pod == "" && !t.Matches(ref, nil) {
		return
	}
	switch {
	case file == archive.ManifestFile && (t.Pod == "" || t.Matches(ref, nil)):
		s.Manifests = append(s.Manifests, object)
	case archive.IsLogName(file):
		s.logs[ref.PodUID] = append(s.logs[ref.PodUID], key)
	case file == archive.JobFile:
		s.job(ref).document = true
	}
	if ref.JobUID != "" {
		s.job(ref)
	}
}

func (s *inStore) job(ref archive.PodRef) *jobAt {
	at := s.jobs[ref.JobUID]
	if at == nil {
		at = &jobAt{ref: ref.OfJob()}
		s.jobs[ref.JobUID] = at
	}
	return at
}

// prefixes returns where in the store the target's keys stand, the likeliest place first.
func (r *Finder) prefixes(ctx context.Context, t archive.Target) ([]string, error) {
	switch {
	case t.Workload != "":
		return r.indexed(ctx, archive.WorkloadIndexFolder(t.Workload), t)
	case t.Job != "":
		ref := archive.PodRef{Namespace: t.Namespace, Job: t.Job, JobUID: t.JobUID}
		if t.JobUID != "" {
			return []string{ref.JobPrefix()}, nil
		}
		return []string{strings.TrimSuffix(ref.JobPrefix(), "/")}, nil
	default:
		return archive.PodPrefixes(t), nil
	}
}

// indexed returns the folders of the Jobs that a folder of an index names.
func (r *Finder) indexed(ctx context.Context, folder string, t archive.Target) ([]string, error) {
	var prefixes []string
	for object, err := range r.Cfg.Store.List(ctx, folder, "") {
		if err != nil {
			return nil, err
		}
		ref, err := archive.ParseIndexName(strings.TrimPrefix(string(object.Key), folder))
		if err == nil && (t.Namespace == "" || t.Namespace == ref.Namespace) {
			prefixes = append(prefixes, ref.Folder())
		}
	}
	return prefixes, nil
}
