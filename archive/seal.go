package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// ErrSealed means that the pod's manifest was there already. What was to be sealed is dropped: the first manifest stands.
var ErrSealed = errors.New("pod is sealed already")

const (
	podFile   = "pod.json"     // the manifest as far as it is known, so that a pod that is gone can still be sealed
	sealedExt = ".sealed.json" // the record of a log whose object is in the store
)

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
}

// NewSealer makes a Sealer. name is the replica's, for the manifest. failed is called with each failed try of the store.
func NewSealer(store Store, spool *Spool, name string, log *slog.Logger, failed func(error)) *Sealer {
	return &Sealer{store: &lookFirst{Store: store}, spool: spool, name: name, log: log, breaker: &breaker{log: log, failed: failed}}
}

// StoreWorks says whether the store answered last.
func (s *Sealer) StoreWorks() bool { return s.breaker.ok() }

// Log seals one instance's log and gives its record without the container's state. The frames have left the spool when it
// returns.
func (s *Sealer) Log(ctx context.Context, l *Log) (InstanceRecord, error) {
	path := l.path(sealedExt)
	var r InstanceRecord
	// A record that is there was written after the log object was stored: an earlier try, or an earlier process.
	if err := readJSON(path, &r); err == nil {
		return r, s.spool.dropFrames(l)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("read record of %s: %w", l.instance, err)
	}
	sum, err := l.End()
	if err != nil {
		return r, err
	}
	r = InstanceRecord{Instance: l.instance, Gaps: sum.Gaps}
	r.Verdict, r.Reason = judge(&sum)
	if sum.Lines > 0 {
		if r.Log, err = s.putLog(ctx, l, &sum); err != nil {
			return r, fmt.Errorf("put log object of %s: %w", l.instance, err)
		}
	}
	if err := writeJSON(path, r); err != nil {
		return r, fmt.Errorf("write record of %s: %w", l.instance, err)
	}
	return r, s.spool.dropFrames(l)
}

func (s *Sealer) putLog(ctx context.Context, l *Log, sum *Summary) (*LogRecord, error) {
	file, err := l.Object()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	key := l.instance.LogKey()
	err = s.breaker.do(ctx, "put log object", func(ctx context.Context) error {
		return s.store.Put(ctx, key, file, PutOptions{IfAbsent: true, ContentType: "application/zstd"})
	})
	if errors.Is(err, ErrExists) {
		// Our own earlier put that reported failure, or another replica's. Without a manifest nobody has vouched for
		// what is there, so the log that holds more lines stands; with one, sealing the pod will say so.
		err = s.replaceLog(ctx, l, sum, file)
	}
	if err != nil {
		return nil, err
	}
	return &LogRecord{
		Key: key, Size: info.Size(), Lines: sum.Lines, Bytes: sum.Bytes, SHA256: sum.SHA256,
		First: timeOf(sum.First), Last: timeOf(sum.Last),
	}, nil
}

func (s *Sealer) replaceLog(ctx context.Context, l *Log, sum *Summary, file io.ReadSeeker) error {
	key := l.instance.LogKey()
	var there *Index
	err := s.breaker.do(ctx, "read log index", func(ctx context.Context) (err error) {
		there, err = ReadIndex(ctx, s.store, key)
		if errors.Is(err, ErrDamaged) {
			there, err = nil, nil
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if there != nil && there.Summary.SHA256 == sum.SHA256 && there.Summary.Lines == sum.Lines {
		return nil
	}
	if _, err := s.Manifest(ctx, l.instance.PodRef); !errors.Is(err, ErrNotFound) {
		if err == nil {
			err = ErrSealed
		}
		return err
	}
	s.log.Warn("replace log object that no manifest vouches for", "instance", l.instance, "key", key)
	return s.breaker.do(ctx, "replace log object", func(ctx context.Context) error {
		return s.store.Put(ctx, key, file, PutOptions{ContentType: "application/zstd"})
	})
}

// dropFrames gives the spool's room back; what is left of the log is its record.
func (s *Spool) dropFrames(l *Log) error {
	s.grow(-l.discard())
	for _, ext := range []string{".log", ".tail"} {
		if err := os.Remove(l.path(ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop frames of %s: %w", l.instance, err)
		}
	}
	return nil
}

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
	m.Version, m.SealedBy, m.SealedAt = formatVersion, s.name, time.Now().UTC()
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
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
	err := s.breaker.do(ctx, "put manifest", func(ctx context.Context) error {
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
	keys := []Key{pod.DayIndexKey(created)}
	for _, w := range m.Workloads {
		keys = append(keys, pod.WorkloadIndexKey(w))
	}
	for _, key := range keys {
		err := s.breaker.do(ctx, "put index", func(ctx context.Context) error {
			return s.store.Put(ctx, key, bytes.NewReader(nil), PutOptions{})
		})
		if err != nil {
			return fmt.Errorf("put index %s: %w", key, err)
		}
	}
	return nil
}

// SaveDraft keeps what is known of a pod beside its logs, so that a pod that vanishes while no process watches can still
// be sealed by the next one.
func (s *Spool) SaveDraft(m *Manifest) error {
	dir := s.podDir(m.Pod.PodUID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make spool of pod %s: %w", m.Pod.Pod, err)
	}
	if err := writeJSON(filepath.Join(dir, podFile), m); err != nil {
		return fmt.Errorf("save draft of pod %s: %w", m.Pod.Pod, err)
	}
	return nil
}

// Draft gives what was saved of a pod.
func (s *Spool) Draft(pod PodUID) (*Manifest, error) {
	var m Manifest
	if err := readJSON(filepath.Join(s.podDir(pod), podFile), &m); err != nil {
		return nil, fmt.Errorf("read draft of pod %s: %w", pod, err)
	}
	return &m, nil
}

// Probe finds out what the store can do, waiting for as long as it does not answer. Until then the store counts as in
// trouble.
func (s *Sealer) Probe(ctx context.Context) (Capabilities, error) {
	var can Capabilities
	err := s.breaker.do(ctx, "probe store", func(ctx context.Context) (err error) {
		can, err = Probe(ctx, s.store.Store)
		return err
	})
	if err == nil && !can.ConditionalPut {
		s.store.needed.Store(true)
		s.log.Warn("the store has no conditional put; each key is looked for before it is written")
	}
	return can, err
}
