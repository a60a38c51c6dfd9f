package watchtest

import (
	"sync"
)

// Transcript keeps what is logged.
type Transcript struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

// Write takes what is logged. It has no error.
func (s *Transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	return len(p), nil
}

// String returns all that was logged.
func (s *Transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}
