package spool

// Still waits until no frame is being closed beside. A process that dies takes that work along; a test that plays such
// a death, or whose folder goes away, has to wait for it.
func (s *Spool) Still() {
	for range cap(s.hands) {
		s.hands <- struct{}{}
	}
	for range cap(s.hands) {
		<-s.hands
	}
}

// CloseFrame makes a whole frame of what is held, however little that is, and has log objects keep such frames.
func (l *Log) CloseFrame() error {
	l.spool.whole.Store(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeFrame(l.spool.Reserve)
}
