package archive

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// Draft is what is known of a pod before it is sealed.
type Draft struct {
	Manifest
	// Silent says, by container ID, until when logs had no line: as of their reader, when that left them to another one.
	Silent map[string]time.Time `json:"silent,omitempty"`
}

// podFile holds the manifest as far as it is known, so that a pod that is gone can still be sealed.
const podFile = "pod.json"

type draftSum [sha256.Size]byte

// SaveDraft keeps what is known of a pod beside its logs, so that a pod that vanishes while no process watches can still
// be sealed by the next one. A draft that this process saved last is not written again: a pod is looked at far more
// often than it changes, and creating files is what 500 pods that end together wait for.
func (s *Spool) SaveDraft(d *Draft) error {
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
	err = s.written(int64(len(text)), s.exceed, func() error { return writeFile(s.draftPath(pod), text) })
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

func (s *Spool) hasDraft(pod PodUID, sum draftSum) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.saved[pod]
	return ok && have == sum
}

// Draft gives what was saved of a pod.
func (s *Spool) Draft(pod PodUID) (*Draft, error) {
	var d Draft
	if err := readJSON(s.draftPath(pod), &d); err != nil {
		return nil, fmt.Errorf("read draft of pod %s: %w", pod, err)
	}
	return &d, nil
}

func (s *Spool) draftPath(pod PodUID) string { return filepath.Join(s.podDir(pod), podFile) }
