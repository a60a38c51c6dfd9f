package spool

import (
	"runtime"

	"github.com/epilogue-dev/epilogue/archive/format"
)

// handed is a full frame on its way to .log: it is compressed, written and summed beside the appending, so that whoever
// reads a stream reads on meanwhile. A log has one at the most. While there is one .tail is empty, and lines that come
// go into a new open frame behind it.
//
// The work takes no lock. It alone writes .log and sum until done is closed, for whoever wants either calls settle
// first. Where it failed, for want of room or by the disk, the frame stays in memory, and the next settle does what is
// left.
type handed struct {
	frame  *format.Frame
	memory int64         // of frame
	done   chan struct{} // closed when the work beside has ended
	head   format.Head
	bytes  []byte // the compressed frame; nil: not yet
	stored bool   // it is in .log and in sum
	err    error  // of the last try
}

// handOff begins to close the open frame beside. false: nothing was done. Nothing waits in a queue: where all hands are
// busy the caller does the work, as slowly as that is.
func (l *Log) handOff() bool {
	if l.tailSize > 0 || l.open == nil {
		return false // joining with .tail reads the disk, and comes once for many frames of a log that floods
	}
	select {
	case l.spool.hands <- struct{}{}:
	default:
		return false
	}
	h := l.hand()
	go func() { // settle waits for it
		defer func() { <-l.spool.hands }()
		h.work(l)
	}()
	return true
}

// hand takes the open frame out of the way. Somebody must do its work.
func (l *Log) hand() *handed {
	l.handed = &handed{frame: l.open, memory: l.open.Memory(), done: make(chan struct{})}
	l.tailEnd += int64(len(l.open.Times))
	l.open = nil
	return l.handed
}

func (h *handed) work(l *Log) {
	defer close(h.done)
	h.try(l, l.spool.Reserve)
}

// newHands returns the bound on frames that are closed beside at once, all logs together.
func newHands() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) }

// try does what is left to do.
func (h *handed) try(l *Log, take func(int64) error) {
	if h.bytes == nil {
		b, head, err := l.spool.Codec.Encode(l.spool.Codec.Scratch(), h.frame)
		if h.err = err; err != nil {
			l.spool.Codec.Release(b)
			return
		}
		h.bytes, h.head = b, head
	}
	if h.err = l.write(".log", l.size, h.bytes, take); h.err != nil {
		return
	}
	l.sum.Write(h.frame.Text)
	h.stored = true
}

// taken takes the frame into the index once it is in .log.
func (h *handed) taken(l *Log) {
	l.counted(&h.head)
	l.spool.Codec.Release(h.bytes)
}

// settle waits until the frame that was handed off is in .log. With an error it is still in memory, and everything that
// was appended is held.
func (l *Log) settle(take func(int64) error) error {
	h := l.handed
	if h == nil {
		return nil
	}
	if <-h.done; !h.stored {
		h.try(l, take)
	}
	if h.err != nil {
		return h.err
	}
	h.taken(l)
	l.handed = nil
	l.spool.releaseFrame(h.frame)
	l.account()
	return nil
}

// abandon forgets the frame that was handed off. What of it is on disk is counted, so that its room can be given back.
func (l *Log) abandon() {
	if l.settle(l.spool.Reserve) != nil {
		l.spool.releaseFrame(l.handed.frame)
		l.handed = nil
	}
}

// closeFrame makes one whole frame of .tail and the open lines and appends it to .log. take takes the room for it.
func (l *Log) closeFrame(take func(int64) error) error {
	if err := l.join(take); err != nil {
		return err
	}
	return l.cutTail()
}

// join is closeFrame without the cut: .tail is stale when it returns.
func (l *Log) join(take func(int64) error) error {
	if err := l.settle(take); err != nil {
		return err
	}
	f, err := l.gather()
	if err != nil || f.Empty() {
		return err
	}
	h := &handed{frame: f}
	if h.try(l, take); h.err != nil {
		return h.err
	}
	h.taken(l)
	if f != l.open {
		l.spool.releaseFrame(f)
	}
	l.dropOpen()
	return nil
}
