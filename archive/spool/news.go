package spool

import (
	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/news"
)

// Watch makes the log wake w at each change: lines came, it has ended, it has left the spool.
func (l *Log) Watch(w news.Wakeup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers == nil {
		l.watchers = map[news.Wakeup]struct{}{}
	}
	l.watchers[w] = struct{}{}
}

// Unwatch ends Watch. A wake-up of before may still be in w.
func (l *Log) Unwatch(w news.Wakeup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watchers, w)
}

// changed tells those who wait. Called with mu held.
func (l *Log) changed() {
	for w := range l.watchers {
		w.Wake()
	}
}

// announcePod tells of a pod whose workloads its draft knows.
func (s *Spool) announcePod(p archive.PodRef) {
	ref, _ := s.draftRef(p.PodUID)
	s.Announce(p, ref.Workloads)
}
