package kubelet

import (
	"io"
	"sync"
)

// pipeBytes is what a pipe holds before its writer waits, as the socket buffers on the way would.
const pipeBytes = 64 << 10

// pipe is the body of an answer in the same process. Its reader sees all that was written before the end, and then a
// clean end, however the writer ended.
type pipe struct {
	mu     sync.Mutex
	buf    []byte // guarded by mu
	ended  bool   // no more will be written; guarded by mu
	closed bool   // nobody reads; guarded by mu
	change chan struct{}
}

func newPipe() *pipe { return &pipe{change: make(chan struct{})} }

// changed wakes both sides. The caller holds mu.
func (p *pipe) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// Write waits while the pipe is full.
func (p *pipe) Write(b []byte) (n int, err error) {
	for {
		p.mu.Lock()
		if p.ended || p.closed {
			p.mu.Unlock()
			return n, io.ErrClosedPipe
		}
		if room := min(pipeBytes-len(p.buf), len(b)); room > 0 {
			p.buf = append(p.buf, b[:room]...)
			b, n = b[room:], n+room
			p.changed()
		}
		change := p.change
		p.mu.Unlock()
		if len(b) == 0 {
			return n, nil
		}
		<-change
	}
}

// Read waits while the pipe is empty.
func (p *pipe) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		n, ended, closed, change := copy(b, p.buf), p.ended, p.closed, p.change
		if n > 0 {
			p.buf = append(p.buf[:0], p.buf[n:]...)
			p.changed()
		}
		p.mu.Unlock()
		switch {
		case closed:
			return 0, io.ErrClosedPipe
		case n > 0 || len(b) == 0:
			return n, nil
		case ended:
			return 0, io.EOF
		}
		<-change
	}
}

// end is the writer's end.
func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.changed()
}

// Close is the reader's end.
func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.changed()
	return nil
}
