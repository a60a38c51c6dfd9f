package spool

import (
	"github.com/epilogue-dev/epilogue/archive"
)

// Wakeup is how a reader that waits hears of something new: it holds at most one token, so that nobody who brings news waits
// for who reads it.
type Wakeup chan struct{}

func NewWakeup() Wakeup { return make(Wakeup, 1) }

func (w Wakeup) wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Watch has the log wake w with each change: lines came, it has ended, it has left the spool.
func (l *Log) Watch(w Wakeup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers == nil {
		l.watchers = map[Wakeup]struct{}{}
	}
	l.watchers[w] = struct{}{}
}

func (l *Log) Unwatch(w Wakeup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watchers, w)
}

// changed tells those who wait. Called with mu held.
func (l *Log) changed() {
	for w := range l.watchers {
		w.wake()
	}
}

// news is what a reader hears of the spool: that pods of its target came, changed or were sealed.
type news struct {
	Wakeup
	target archive.Target
}

// Subscribe has the spool wake w when something happens to a pod or a Job of the target. The function ends that.
func (s *Spool) Subscribe(w Wakeup, t archive.Target) (cancel func()) {
	n := &news{w, t}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers == nil {
		s.readers = map[*news]struct{}{}
	}
	s.readers[n] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.readers, n)
	}
}

// Announce tells those who read the pod, or its Job, or one of its workloads.
func (s *Spool) Announce(p archive.PodRef, workloads []string) {
	s.Told.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.readers {
		if n.target.Matches(p, workloads) {
			n.wake()
		}
	}
}

// announcePod tells of a pod whose workloads its draft knows.
func (s *Spool) announcePod(p archive.PodRef) {
	ref, _ := s.draftRef(p.PodUID)
	s.Announce(p, ref.Workloads)
}
