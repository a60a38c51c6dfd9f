package find

import (
	"context"
	"errors"
	"fmt"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// Manifests reads manifests, some at once. One that is damaged is made again from the log objects.
func (r *Finder) Manifests(ctx context.Context, s *inStore, read func(context.Context, archive.Object) (*archive.Manifest, error)) ([]*archive.Manifest, error) {
	all := make([]*archive.Manifest, len(s.Manifests))
	err := patient.Parallel(ctx, len(all), func(ctx context.Context, i int) (err error) {
		object := s.Manifests[i]
		all[i], err = read(ctx, object)
		if errors.Is(err, archive.ErrDamaged) {
			ref, _, _ := archive.SplitKey(object.Key)
			all[i], err = r.rebuild(ctx, ref, s.logs[ref.PodUID], err)
		}
		return err
	})
	return all, err
}

// rebuild makes a manifest of what the indexes of a pod's log objects say.
func (r *Finder) rebuild(ctx context.Context, ref archive.PodRef, logs []archive.Key, cause error) (*archive.Manifest, error) {
	m := archive.UnknownPod(ref)
	m.Diagnosis = fmt.Sprintf("the manifest is damaged (%v); this is what the log objects say", cause)
	for _, key := range logs {
		x, err := format.ReadIndex(ctx, r.Cfg.Store, key)
		if errors.Is(err, archive.ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k := &archive.Kept{Summary: x.Summary, Key: key, Size: x.Size}
		m.Instances = append(m.Instances, k.Record(x.Summary.Instance))
	}
	return m, nil
}

// StoredManifest is ManifestAt for an object of a listing.
func (r *Finder) StoredManifest(ctx context.Context, object archive.Object) (*archive.Manifest, error) {
	return r.ManifestAt(ctx, object.Key)
}

// ManifestAt reads a manifest from the store. ErrNotFound: the pod is not sealed, or has expired. ErrDamaged: it is no
// manifest of this format version; Manifests makes it again from the log objects.
func (r *Finder) ManifestAt(ctx context.Context, key archive.Key) (*archive.Manifest, error) {
	return format.ReadManifest(ctx, r.Cfg.Store, key)
}

// Manifest returns what is known of a pod: its manifest where it is sealed, else as far as this process or a journal
// knows. It returns ErrNotFound where that is nothing. Namespace and Pod of the reference are enough; of several pods
// that had the name the newest is given.
func (r *Finder) Manifest(ctx context.Context, pod archive.PodRef) (m *archive.Manifest, sealed bool, err error) {
	if pod.JobUID != "" && pod.PodUID != "" {
		m, err := r.ManifestAt(ctx, pod.ManifestKey())
		if err == nil || !errors.Is(err, archive.ErrNotFound) {
			return m, err == nil, err
		}
	}
	f, err := r.Find(ctx, pod.Target())
	if err != nil {
		return nil, false, err
	}
	if len(f.Pods) == 0 {
		return nil, false, fmt.Errorf("manifest of %s/%s: %w", pod.Namespace, pod.Pod, archive.ErrNotFound)
	}
	p := f.Pods[len(f.Pods)-1]
	return archive.OwnInstances(p.Manifest), p.Sealed, nil // a sealed one is held for others, too
}
