package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// ErrSealed means that the pod's manifest was there already. What was to be sealed is dropped: the first manifest stands.
var ErrSealed = errors.New("pod is sealed already")

// Sealer moves logs from the spool into the store. The order of its writes is its promise; docs/design.md tells for each
// of them what a crash leaves and who repairs it:
//
//	log object → record in the spool → frames leave the spool → manifest, read back → index keys → pod leaves the spool
//
// Every step may be done again. Store trouble is waited out for as long as the context lives. Safe for concurrent use.
type Sealer struct {
	store   *lookFirst
	spool   *Spool
	breaker *breaker
	name    string
	log     *slog.Logger
	proven  *bounded[Object, readManifest] // manifests that were read for a proof
	swept   atomic.Int64                   // when those that count no more were last dropped, ns since 1970
}

// NewSealer makes a Sealer. name is the replica's, for the manifest. failed is called with each failed try of the store.
func NewSealer(store Store, spool *Spool, name string, log *slog.Logger, failed func(error)) *Sealer {
	return &Sealer{
		store: &lookFirst{Store: store}, spool: spool, name: name, log: log, breaker: newBreaker(log, failed),
		proven: newBounded[Object, readManifest](provenBytes),
	}
}

// StoreWorks says whether the store answered last.
func (s *Sealer) StoreWorks() bool { return s.breaker.ok() }

// Manifest reads a pod's manifest from the store; ErrNotFound where the pod is not sealed.
func (s *Sealer) Manifest(ctx context.Context, pod PodRef) (*Manifest, error) {
	return s.manifestAt(ctx, pod.ManifestKey())
}

func (s *Sealer) manifestAt(ctx context.Context, key Key) (*Manifest, error) {
	var m *Manifest
	err := s.breaker.do(ctx, "read manifest", func(ctx context.Context) error {
		r, _, err := s.store.Get(ctx, key, Range{})
		if err != nil {
			return err
		}
		defer r.Close()
		m, err = ReadManifest(r)
		return err
	})
	return m, err
}

// Pod seals a pod whose logs are sealed: the manifest is written and read back, the indexes follow, and the spool
// forgets the pod. Where a manifest is there already the spool forgets the pod all the same and ErrSealed is returned.
func (s *Sealer) Pod(ctx context.Context, m *Manifest) error {
	m.Version, m.Cluster, m.SealedBy, m.SealedAt = formatVersion, s.spool.cluster, s.name, time.Now().UTC()
	if m.Instances == nil {
		m.Instances = []InstanceRecord{} // a list in the document, and not null
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if len(text) >= maxManifest {
		return fmt.Errorf("manifest of %s/%s has %d bytes, must have less than %d", m.Pod.Namespace, m.Pod.Pod, len(text), maxManifest)
	}
	there, err := s.putManifest(ctx, m.ref(), append(text, '\n'))
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

// putManifest says whether the manifest that is in the store now is the given one.
func (s *Sealer) putManifest(ctx context.Context, pod PodRef, text []byte) (bool, error) {
	err := s.breaker.put(ctx, "put manifest", func(ctx context.Context) error {
		return s.store.Put(ctx, pod.ManifestKey(), bytes.NewReader(text),
			PutOptions{IfAbsent: true, ContentType: "application/json"})
	})
	// A manifest that exists may be this very one, stored by a put that reported failure: reading back tells.
	if err != nil && !errors.Is(err, ErrExists) {
		return false, err
	}
	var there []byte
	err = s.breaker.do(ctx, "read manifest back", func(ctx context.Context) error {
		r, _, err := s.store.Get(ctx, pod.ManifestKey(), Range{})
		if err != nil {
			return err
		}
		defer r.Close()
		there, err = io.ReadAll(io.LimitReader(r, maxManifest))
		return err
	})
	return bytes.Equal(there, text), err
}

// putIndexes comes last: an index key that is there leads to a manifest that is there.
func (s *Sealer) putIndexes(ctx context.Context, m *Manifest) error {
	pod, created := m.ref(), m.Pod.CreatedAt
	if m.Job != nil {
		created = m.Job.CreatedAt
	}
	return s.putKeys(ctx, pod.indexKeys(created, m.Workloads))
}

// putKeys puts empty objects.
func (s *Sealer) putKeys(ctx context.Context, keys []Key) error {
	for _, key := range keys {
		err := s.breaker.put(ctx, "put index", func(ctx context.Context) error {
			return s.store.Put(ctx, key, bytes.NewReader(nil), PutOptions{})
		})
		if err != nil {
			return fmt.Errorf("put index %s: %w", key, err)
		}
	}
	return nil
}

// Probe finds out what the store can do, waiting for as long as it does not answer. Until then the store counts as in
// trouble.
func (s *Sealer) Probe(ctx context.Context) (Capabilities, error) {
	var can Capabilities
	err := s.breaker.do(ctx, "probe store", func(ctx context.Context) (err error) {
		can, err = Probe(ctx, s.store.Store)
		return err
	})
	if partly, ok := s.store.Store.(interface{ wholeOnly() }); ok && err == nil && !can.Ranges {
		partly.wholeOnly()
		s.log.Warn("the store does not give the parts of objects that it is asked for; objects are read as a whole")
	}
	if err == nil && !can.ConditionalPut {
		s.store.needed.Store(true)
		s.log.Warn("the store has no conditional put; each key is looked for before it is written")
	}
	return can, err
}
