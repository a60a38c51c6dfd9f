package archive

// CloseFrame makes a whole frame of what is held, however little that is, and has log objects keep such frames.
func (l *Log) CloseFrame() error {
	l.spool.whole.Store(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeFrame(l.spool.reserve)
}

// ListedFor is how long a list may give what it read before.
const ListedFor = listedFor
