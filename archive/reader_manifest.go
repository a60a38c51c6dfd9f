package archive

import (
	"context"
	"errors"
	"fmt"
)

// manifests reads manifests, some at once. One that is damaged is made again from the log objects.
func (r *Finder) manifests(ctx context.Context, s *inStore, read func(context.Context, Object) (*Manifest, error)) ([]*Manifest, error) {
	all := make([]*Manifest, len(s.manifests))
	for start := 0; start < len(all); start += atOnce {
		err := inParallel(min(atOnce, len(all)-start), func(i int) (err error) {
			object := s.manifests[start+i]
			all[start+i], err = read(ctx, object)
			if errors.Is(err, ErrDamaged) {
				ref, _, _ := splitKey(object.Key)
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
func (r *Finder) rebuild(ctx context.Context, ref PodRef, logs []Key, cause error) (*Manifest, error) {
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

func (r *Finder) storedManifest(ctx context.Context, object Object) (*Manifest, error) {
	return r.manifestAt(ctx, object.Key)
}

func (r *Finder) manifestAt(ctx context.Context, key Key) (*Manifest, error) {
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
func (r *Finder) Manifest(ctx context.Context, pod PodRef) (m *Manifest, sealed bool, err error) {
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
	return ownInstances(p.Manifest), p.sealed, nil // a sealed one is held for others, too
}
