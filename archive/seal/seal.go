package seal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/bounded"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// ErrSealed means that the pod's manifest was there already. What was to be sealed is dropped: the first manifest
// stands.
var ErrSealed = errors.New("pod is sealed already")

// Sealer moves logs from the spool into the store. The order of its writes is its promise; docs/design.md tells for
// each of them what a crash leaves and who repairs it:
//
//	log object → record in the spool → frames leave the spool → manifest, read back → index keys
//	→ pod leaves the spool
//
// Every step may be done again. Store trouble is waited out for as long as the context lives. Safe for concurrent use.
type Sealer struct {
	store  *patient.Store
	spool  *spool.Spool
	name   string
	log    *slog.Logger
	proven *bounded.Cache[archive.Object, readManifest] // manifests that were read for a proof
	// when those that count no more were last dropped, ns since 1970
	swept atomic.Int64
}

// New makes a Sealer. name is the replica's, for the manifest. failed is called with each failed try of the store.
func New(store archive.Store, spool *spool.Spool, name string, log *slog.Logger, failed func(error)) *Sealer {
	s := &Sealer{store: patient.New(store, log, failed), spool: spool, name: name, log: log, proven: bounded.New[archive.Object, readManifest](provenBytes)}
	s.store.GivesUp = true
	return s
}

// StoreWorks reports whether the store answered last.
func (s *Sealer) StoreWorks() bool { return s.store.Works() }

// Manifest reads a pod's manifest from the store; ErrNotFound where the pod is not sealed.
func (s *Sealer) Manifest(ctx context.Context, pod archive.PodRef) (*archive.Manifest, error) {
	return format.ReadManifest(ctx, s.store, pod.ManifestKey())
}

// Pod seals a pod whose logs are sealed: the manifest is written and read back, the indexes follow, and the spool
// forgets the pod. Where a manifest is there already the spool forgets the pod all the same and ErrSealed is returned.
func (s *Sealer) Pod(ctx context.Context, m *archive.Manifest) error {
	m.Version, m.Cluster, m.SealedBy, m.SealedAt = archive.FormatVersion, s.spool.Cluster, s.name, time.Now().UTC()
	if m.Instances == nil {
		m.Instances = []archive.InstanceRecord{} // a list in the document, and not null
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if len(text) >= archive.MaxManifest {
		return fmt.Errorf("manifest of %s/%s has %d bytes, must have less than %d", m.Pod.Namespace, m.Pod.Pod, len(text), archive.MaxManifest)
	}
	there, err := s.putManifest(ctx, m.Ref(), append(text, '\n'))
	if err != nil {
		return fmt.Errorf("put manifest of %s/%s: %w", m.Pod.Namespace, m.Pod.Pod, err)
	}
	if err := s.putIndexes(ctx, m); err != nil {
		return err
	}
	if err := s.spool.Drop(m.Pod.PodUID); err != nil {
		return err
	}
	if !there {
		return ErrSealed
	}
	return nil
}

// putManifest reports whether the manifest that is in the store now is the given one.
func (s *Sealer) putManifest(ctx context.Context, pod archive.PodRef, text []byte) (bool, error) {
	err := s.store.Put(ctx, pod.ManifestKey(), bytes.NewReader(text), archive.PutOptions{IfAbsent: true, ContentType: "application/json"})
	// A manifest that exists may be this very one, stored by a put that reported failure: reading back tells.
	if err != nil && !errors.Is(err, archive.ErrExists) {
		return false, err
	}
	there, _, err := format.Fetch(ctx, s.store, pod.ManifestKey(), archive.Range{})
	return bytes.Equal(there, text), err
}

// putIndexes comes last: an index key that is there leads to a manifest that is there.
func (s *Sealer) putIndexes(ctx context.Context, m *archive.Manifest) error {
	pod, created := m.Ref(), m.Pod.CreatedAt
	if m.Job != nil {
		created = m.Job.CreatedAt
	}
	return s.putKeys(ctx, pod.IndexKeys(created, m.Workloads))
}

// putKeys puts empty objects.
func (s *Sealer) putKeys(ctx context.Context, keys []archive.Key) error {
	for _, key := range keys {
		if err := s.store.Put(ctx, key, bytes.NewReader(nil), archive.PutOptions{}); err != nil {
			return fmt.Errorf("put index %s: %w", key, err)
		}
	}
	return nil
}

// Probe finds out what the store can do, waiting for as long as it does not answer. Until then the store counts as in
// trouble.
func (s *Sealer) Probe(ctx context.Context) (patient.Capabilities, error) { return s.store.Probe(ctx) }
