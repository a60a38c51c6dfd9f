package spool

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
)

// podFile holds the manifest as far as it is known, so that a pod that is gone can still be sealed.
const podFile = "pod.json"

type draftSum [sha256.Size]byte

// SaveDraft keeps what is known of a pod beside its logs, so that a pod that vanishes while no process watches can
// still be sealed by the next one. A draft that this process saved last is not written again: a pod is looked at far
// more often than it changes, and creating files is what 500 pods that end together wait for.
func (s *Spool) SaveDraft(d *archive.Draft) error {
	m := &d.Manifest
	pod := m.Pod.PodUID
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("save draft of pod %s: %w", m.Pod.Pod, err)
	}
	sum := draftSum(sha256.Sum256(text))
	if s.hasDraft(pod, sum) {
		return nil
	}
	if err := s.makePodDir(pod); err != nil {
		return fmt.Errorf("make spool of pod %s: %w", m.Pod.Pod, err)
	}
	err = s.Write(int64(len(text)), s.Exceed, func() error { return disk.WriteFile(s.draftPath(pod), text) })
	if err != nil {
		return fmt.Errorf("save draft of pod %s: %w", m.Pod.Pod, err)
	}
	s.mu.Lock()
	s.saved[pod] = sum
	s.drafted[pod] = struct{}{}
	s.mu.Unlock()
	s.remember(m)
	return nil
}

func (s *Spool) hasDraft(pod archive.PodUID, sum draftSum) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.saved[pod]
	return ok && have == sum
}

// Draft returns what was saved of a pod.
func (s *Spool) Draft(pod archive.PodUID) (*archive.Draft, error) {
	var d archive.Draft
	if err := disk.ReadJSON(s.draftPath(pod), &d); err != nil {
		return nil, fmt.Errorf("read draft of pod %s: %w", pod, err)
	}
	return &d, nil
}

// draftPath returns where a pod's draft is on the disk. There need be none.
func (s *Spool) draftPath(pod archive.PodUID) string { return filepath.Join(s.podDir(pod), podFile) }

// DraftRef is what a pod in the spool is found by.
type DraftRef struct {
	archive.PodRef
	Workloads []string
}

// Drafts returns the pods that the spool holds anything of, in no order.
func (s *Spool) Drafts() []DraftRef {
	pods, err := s.Pods()
	if err != nil {
		s.log.Error("list spool for a reader", "err", err)
		return nil
	}
	refs := make([]DraftRef, 0, len(pods))
	for _, uid := range pods {
		if ref, ok := s.draftRef(uid); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}

// draftRef returns whose pod it is; ok is false where nothing says so.
func (s *Spool) draftRef(uid archive.PodUID) (ref DraftRef, ok bool) {
	if known, found := s.refs.Load(uid); found {
		return known.(DraftRef), true
	}
	if m, err := s.Draft(uid); err == nil {
		s.remember(&m.Manifest)
		return DraftRef{m.Pod.PodRef, m.Workloads}, true
	}
	for _, l := range s.Logs(uid) {
		return DraftRef{PodRef: l.instance.PodRef}, true
	}
	return DraftRef{}, false
}

// remember keeps whose pod a draft is of, and tells those who wait for such a pod.
func (s *Spool) remember(m *archive.Manifest) {
	if _, known := s.refs.Swap(m.Pod.PodUID, DraftRef{m.Pod.PodRef, m.Workloads}); !known {
		s.Announce(m.Pod.PodRef, m.Workloads)
	}
}
