package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Evidence is what the store holds of one Job.
type Evidence struct {
	// Manifests are those of all pods, by their keys. Of each there is what a proof needs: whose it is, when it was
	// sealed, the diagnosis and the records of its instances.
	Manifests []*Manifest
	Document  bool // the Job's document is there
}

const (
	// provenFor is how long a manifest that was read counts as read: what is proven in several tries, because the
	// store is slow or the Job has many pods, goes on where it was. That the manifest is in the store is seen with
	// each try.
	provenFor = time.Hour
	// provenBytes bounds what is kept so: some ten thousand pods.
	provenBytes = 8 << 20
)

// readManifest is one that was read for a proof.
type readManifest struct {
	*Manifest
	until time.Time
}

// Evidence reads every manifest of the Job from the store: the proof without which nothing is deleted. It waits for a
// store in trouble as long as the context lives. What it has read by then it does not read again within the hour.
func (s *Sealer) Evidence(ctx context.Context, job PodRef) (Evidence, error) {
	objects, document, err := s.listJob(ctx, job)
	e := Evidence{Document: document}
	for some := range slices.Chunk(objects, atOnce) {
		if err != nil {
			break
		}
		read := make([]*Manifest, len(some))
		err = inParallel(len(some), func(i int) (err error) {
			read[i], err = s.evident(ctx, some[i])
			return err
		})
		e.Manifests = append(e.Manifests, read...)
	}
	if err != nil {
		return Evidence{}, fmt.Errorf("read manifests of Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	return e, nil
}

// listJob gives the manifests that the store lists of a Job, and whether its document is there.
func (s *Sealer) listJob(ctx context.Context, job PodRef) (manifests []Object, document bool, err error) {
	err = s.breaker.do(ctx, "list Job", func(ctx context.Context) error {
		manifests, document = nil, false
		for object, err := range s.store.List(ctx, job.JobPrefix(), "") {
			if err != nil {
				return err
			}
			if strings.HasSuffix(string(object.Key), manifestName) {
				manifests = append(manifests, object)
			}
			document = document || object.Key == job.JobKey()
		}
		return nil
	})
	return manifests, document, err
}

// evident reads a manifest that was just listed.
func (s *Sealer) evident(ctx context.Context, object Object) (*Manifest, error) {
	if m, ok := s.proven.get(object); ok && time.Now().Before(m.until) {
		return m.Manifest, nil
	}
	m, err := s.manifestAt(ctx, object.Key)
	if err != nil {
		return nil, err
	}
	short := &Manifest{
		Version: m.Version, Pod: PodSummary{PodRef: m.Pod.PodRef, Phase: m.Pod.Phase, CreatedAt: m.Pod.CreatedAt},
		Instances: m.Instances, Diagnosis: m.Diagnosis, SealedAt: m.SealedAt, SealedBy: m.SealedBy,
	}
	// The document's size is more than what is kept of it takes.
	s.proven.put(object, readManifest{short, time.Now().Add(provenFor)}, int(object.Size))
	return short, nil
}
