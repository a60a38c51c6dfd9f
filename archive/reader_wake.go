package archive

// wakeup is how a reader that waits hears of something new: it holds at most one token, so that nobody who brings news waits
// for who reads it.
type wakeup chan struct{}

func newWakeup() wakeup { return make(wakeup, 1) }

func (w wakeup) wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// watch has the log wake w with each change: lines came, it has ended, it has left the spool.
func (l *Log) watch(w wakeup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers == nil {
		l.watchers = map[wakeup]struct{}{}
	}
	l.watchers[w] = struct{}{}
}

func (l *Log) unwatch(w wakeup) {
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
	wakeup
	target Target
}

// subscribe has the spool wake w when something happens to a pod or a Job of the target. The function ends that.
func (s *Spool) subscribe(w wakeup, t Target) (cancel func()) {
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

// announce tells those who read the pod, or its Job, or one of its workloads.
func (s *Spool) announce(p PodRef, workloads []string) {
	s.told.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.readers {
		if n.target.matches(p, workloads) {
			n.wake()
		}
	}
}

// announcePod tells of a pod whose workloads its draft knows.
func (s *Spool) announcePod(p PodRef) {
	ref, _ := s.draftRef(p.PodUID)
	s.announce(p, ref.workloads)
}
