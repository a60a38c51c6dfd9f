package follow

import (
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
)

// tailMark is the last held line, for the watchdog.
type tailMark struct {
	mu   sync.Mutex
	hash uint64 // guarded by mu
	at   int64  // guarded by mu
	part bool   // guarded by mu; it has no end so far
	// guarded by mu; the hash when the stream was last seen to have reached the end of its file; 0: it was not
	end uint64
}

// opened: nothing is known of where a new stream stands.
func (t *tailMark) opened() {
	t.mu.Lock()
	t.end = 0
	t.mu.Unlock()
}

// atEnd reports whether the stream was seen to have reached the end of its file, and has brought nothing since.
func (t *tailMark) atEnd() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end != 0 && t.end == t.hash
}

func (t *tailMark) set(line archive.Line) {
	h := line.Hash()
	t.mu.Lock()
	t.hash, t.at, t.part = h, line.Time, line.Partial
	t.mu.Unlock()
}

// open reports whether the last held line has no end so far.
func (t *tailMark) open() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.part
}

func (t *tailMark) time() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

func (t *tailMark) is(line archive.Line) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hash == line.Hash()
}

// ends takes the last record of the file: where that is the last line held, the stream has reached the end.
func (t *tailMark) ends(line archive.Line) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hash != line.Hash() {
		return false
	}
	t.end = t.hash
	return true
}
