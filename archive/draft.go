package archive

import (
	"fmt"
	"os"
	"path/filepath"
)

// podFile holds the manifest as far as it is known, so that a pod that is gone can still be sealed.
const podFile = "pod.json"

// SaveDraft keeps what is known of a pod beside its logs, so that a pod that vanishes while no process watches can still
// be sealed by the next one.
func (s *Spool) SaveDraft(m *Manifest) error {
	dir := s.podDir(m.Pod.PodUID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make spool of pod %s: %w", m.Pod.Pod, err)
	}
	if err := writeJSON(s.draftPath(m.Pod.PodUID), m); err != nil {
		return fmt.Errorf("save draft of pod %s: %w", m.Pod.Pod, err)
	}
	s.markDrafted(m.Pod.PodUID)
	s.remember(m)
	return nil
}

// Draft gives what was saved of a pod.
func (s *Spool) Draft(pod PodUID) (*Manifest, error) {
	var m Manifest
	if err := readJSON(s.draftPath(pod), &m); err != nil {
		return nil, fmt.Errorf("read draft of pod %s: %w", pod, err)
	}
	return &m, nil
}

func (s *Spool) draftPath(pod PodUID) string { return filepath.Join(s.podDir(pod), podFile) }
