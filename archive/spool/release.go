package spool

import (
	"maps"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// Release forgets a pod that is not sealed and that another replica goes on with. Only after its logs were flushed into
// the journal, from where that one takes them.
func (s *Spool) Release(pod archive.PodUID) error {
	if ref, ok := s.draftRef(pod); ok {
		s.noteGiven(ref) // before it leaves: at no moment has a reader neither
	}
	return s.Drop(pod)
}

// given is a pod that was handed over.
type given struct {
	DraftRef
	at time.Time
}

// givenFor is how long a reader looks for a pod that was handed over in the journal of the replica that gave it away.
// The next owner takes over one Lease duration later at the most, and journals what it took with its next interval.
const givenFor = 10 * time.Minute

func (s *Spool) noteGiven(ref DraftRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given == nil {
		s.given = map[archive.PodUID]given{}
	}
	s.given[ref.PodUID] = given{ref, time.Now()}
}

// GaveAway returns the pods that were handed over a short while ago.
func (s *Spool) GaveAway() []DraftRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.given, func(_ archive.PodUID, g given) bool { return time.Since(g.at) > givenFor })
	refs := make([]DraftRef, 0, len(s.given))
	for _, g := range s.given {
		refs = append(refs, g.DraftRef)
	}
	return refs
}
