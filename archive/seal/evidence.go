package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// ErrUnfinished means that Evidence has read manifests and not all: others have their turn, and it is to be asked
// again, at once. It goes on where it was.
var ErrUnfinished = errors.New("not all manifests are read yet")

const (
	// provenFor is how long a manifest that was read counts as read: what is proven in several turns, because the
	// store is slow or the Job has many pods, goes on where it was. That the manifest is in the store is seen with
	// each turn.
	provenFor = time.Hour
	// provenBytes bounds the memory of what is kept so: some forty thousand pods, of all Jobs together.
	provenBytes = 64 << 20
	// evidenceTurn is how long one call reads manifests where there are more, unless the listing, which is done anew
	// each time, took longer: its caller is needed for other Jobs.
	evidenceTurn     = 10 * time.Second
	evidenceLongTurn = time.Minute
)

// readManifest is one that was read for a proof.
type readManifest struct {
	*archive.Manifest
	until time.Time
}

// Evidence reads every manifest of the Job from the store: the proof without which nothing is deleted. It waits for a
// store in trouble as long as the context lives. What it has read by then it does not read again within the hour.
func (s *Sealer) Evidence(ctx context.Context, job archive.PodRef) (archive.Evidence, error) {
	fail := func(err error) error {
		return fmt.Errorf("read manifests of Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	begin := time.Now()
	objects, document, err := s.listJob(ctx, job)
	if err != nil {
		return archive.Evidence{}, fail(err)
	}
	listed := time.Now()
	s.forgetProven(listed)
	turn := min(max(evidenceTurn, 2*listed.Sub(begin)), evidenceLongTurn)
	// more would push each other out: they are read in one turn, or never
	keeps := len(objects)*provenBytesEach < provenBytes/2
	e := archive.Evidence{Document: document}
	for some := range slices.Chunk(objects, patient.AtOnce) {
		if keeps && time.Since(listed) >= turn {
			return archive.Evidence{}, fail(fmt.Errorf("%d of %d: %w", len(e.Manifests), len(objects), ErrUnfinished))
		}
		read := make([]*archive.Manifest, len(some))
		err := patient.Parallel(ctx, len(some), func(ctx context.Context, i int) (err error) {
			read[i], err = s.evident(ctx, some[i])
			return err
		})
		if err != nil {
			return archive.Evidence{}, fail(err)
		}
		e.Manifests = append(e.Manifests, read...)
	}
	return e, nil
}

// forgetProven gives back the memory of what does not count any more, now and then.
func (s *Sealer) forgetProven(now time.Time) {
	last := s.swept.Load()
	if now.UnixNano()-last > int64(provenFor/4) && s.swept.CompareAndSwap(last, now.UnixNano()) {
		s.proven.Sweep(func(_ archive.Object, m readManifest) bool { return now.Before(m.until) })
	}
}

// listJob returns the manifests that the store lists of a Job, and whether its document is there.
func (s *Sealer) listJob(ctx context.Context, job archive.PodRef) (manifests []archive.Object, document bool, err error) {
	for object, err := range s.store.List(ctx, job.JobPrefix(), "") {
		if err != nil {
			return nil, false, err
		}
		if archive.IsManifestKey(object.Key) {
			manifests = append(manifests, object)
		}
		document = document || object.Key == job.JobKey()
	}
	return manifests, document, nil
}

// evident reads a manifest that was just listed.
func (s *Sealer) evident(ctx context.Context, object archive.Object) (*archive.Manifest, error) {
	if m, ok := s.proven.Get(object); ok && time.Now().Before(m.until) {
		return m.Manifest, nil
	}
	m, err := format.ReadManifest(ctx, s.store, object.Key)
	if err != nil {
		return nil, err
	}
	short := forProof(m)
	s.proven.Put(object, readManifest{short, time.Now().Add(provenFor)}, weight(short))
	return short, nil
}

// forProof leaves out what no proof needs, which is most of it.
func forProof(m *archive.Manifest) *archive.Manifest {
	short := &archive.Manifest{
		Version: m.Version, Pod: archive.PodSummary{PodRef: m.Pod.PodRef, Phase: m.Pod.Phase, CreatedAt: m.Pod.CreatedAt},
		Instances: make([]archive.InstanceRecord, len(m.Instances)), Diagnosis: m.Diagnosis, SealedAt: m.SealedAt, SealedBy: m.SealedBy,
	}
	for i := range m.Instances {
		short.Instances[i] = archive.InstanceRecord{Verdict: m.Instances[i].Verdict, Seams: m.Instances[i].Seams}
	}
	return short
}

// provenBytesEach is what a pod of one container weighs.
const provenBytesEach = 1500

// weight is about the memory that a manifest for a proof takes, with its place among the others.
func weight(m *archive.Manifest) int {
	const others = 400 // the object's key, and small allocations that are rounded up
	ref := m.Pod.PodRef
	texts := len(ref.Namespace) + len(ref.Job) + len(ref.JobUID) + len(ref.Pod) + len(ref.PodUID) + len(m.Diagnosis) + len(m.SealedBy)
	return others + texts + int(unsafe.Sizeof(*m)) + len(m.Instances)*int(unsafe.Sizeof(archive.InstanceRecord{}))
}
