package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// Position says how far a log is journaled, in terms of its files.
type Position struct {
	known  bool  // an entry names the log
	frames int   // whole frames
	cuts   int   // Log.cuts when tail was counted
	tail   int64 // bytes of .tail
	line   int64 // lines up to there
	raw    int64 // bytes of their text
	ended  bool
	sealed bool
}

// Frames returns how many whole frames are journaled.
func (p Position) Frames() int { return p.frames }

// After returns the position behind so many whole frames, before what .tail holds.
func (p Position) After(frames int) Position {
	p.frames, p.tail, p.cuts = frames, 0, -1
	return p
}

// Cut is what of a log is not journaled yet.
type Cut struct {
	Log      *Log
	To       Position
	More     bool  // it did not fit: there are more whole frames
	Fresh    int64 // when the oldest line of it came, ns since 1970; 0: it has no new line
	Size     int64 // bytes of whole frames
	TailSize int64 // bytes of small frames
	Ended    bool  // the log has ended, and no cut before said so
	Record   *archive.InstanceRecord

	file   *os.File // .log, where there are whole frames; whoever has the cut closes it
	offset int64
	whole  format.JournalFrames // without their place, as tail
	small  []byte               // the small frames; nil: they were given
	tail   format.JournalFrames
	lines  int64 // of the log
	last   int64 // the latest time in it
}

// Cut returns what came since a position, nil where that is nothing, and while the log is in doubt. Open lines are
// written to .tail first. It has at most limit bytes of whole frames, but one frame at the least. Bytes of .log do
// not change once they are counted, so they are read later, without the lock.
func (l *Log) Cut(from Position, limit int64) (*Cut, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubted.Load() {
		return nil, nil // its lines stay fresh
	}
	c := &Cut{Log: l, To: from, Fresh: l.fresh.Swap(0)}
	c.To.known = true
	if l.gone {
		return l.cutRecord(c, from)
	}
	// Where the disk has no room what is on it is journaled all the same, and the rest stays fresh.
	if l.flush() != nil {
		l.fresh.CompareAndSwap(0, c.Fresh)
	}
	err := l.cutFrames(c, from, limit)
	if err == nil && !c.More {
		err = l.cutTailFrames(c, from)
	}
	if err != nil {
		l.fresh.CompareAndSwap(0, c.Fresh)
		c.Close()
		return nil, fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	c.lines, c.last = l.stat.Lines, l.stat.Last
	if c.Ended = l.ended && !c.More && !from.ended; c.Ended {
		c.To.ended = true
	}
	if from.known && c.Size == 0 && c.TailSize == 0 && !c.Ended {
		return nil, nil
	}
	return c, nil
}

// cutRecord journals that the log is in the store. A log that was dropped has no record.
func (l *Log) cutRecord(c *Cut, from Position) (*Cut, error) {
	r, ok, err := l.Record()
	if from.sealed || !ok || err != nil {
		return nil, err
	}
	c.lines, c.last, c.Record, c.To.sealed = l.stat.Lines, l.stat.Last, &r, true
	return c, nil
}

func (l *Log) cutFrames(c *Cut, from Position, limit int64) (err error) {
	if from.frames >= len(l.frames) {
		return nil
	}
	x := l.frames[from.frames]
	c.offset = x.Offset
	c.whole = format.JournalFrames{FirstLine: x.FirstLine, Whole: true}
	for ; c.To.frames < len(l.frames); c.To.frames++ {
		x := l.frames[c.To.frames]
		size := x.Size()
		if c.Size > 0 && c.Size+size > limit {
			c.More = true
			break
		}
		c.Size += size
		c.whole.Lines += x.Lines
		c.whole.Bytes += x.RawSize
	}
	c.To.line, c.To.raw = x.FirstLine+c.whole.Lines, x.RawOffset+c.whole.Bytes
	c.file, err = os.Open(l.path(".log"))
	return err
}

func (l *Log) cutTailFrames(c *Cut, from Position) error {
	c.To.cuts = l.cuts
	start, line, raw := from.tail, from.line, from.raw
	if from.cuts != l.cuts || start == 0 {
		start, line, raw = 0, l.lineEnd(), l.rawEnd()
	}
	c.To.tail = l.tailSize
	if start >= l.tailSize {
		return nil
	}
	file, err := os.Open(l.path(".tail"))
	if err != nil {
		return err
	}
	c.TailSize = l.tailSize - start
	c.small = make([]byte, c.TailSize)
	_, err = file.ReadAt(c.small, start)
	c.To.line, c.To.raw = l.tailEnd, l.rawEnd()+l.tailRaw
	c.tail = format.JournalFrames{FirstLine: line, Lines: max(0, c.To.line-line), Bytes: max(0, c.To.raw-raw)}
	return format.Closing(file, err)
}

// Entry returns what a journal says of the log, but for its frames and its record.
func (c *Cut) Entry() format.JournalLog {
	i := c.Log.instance
	return format.JournalLog{
		Container: i.Container, Kind: i.Kind, Restart: i.Restart, ContainerID: i.ContainerID,
		Copy: c.Log.copy, Lines: c.lines, Last: c.last, Ended: c.Ended,
	}
}

// Frames yields the whole frames and then the small ones, each where there are any: what a journal says of them, with
// their size and without their place, and their bytes. It may be called once, before Close.
func (c *Cut) Frames() iter.Seq2[format.JournalFrames, io.Reader] {
	return func(yield func(format.JournalFrames, io.Reader) bool) {
		c.whole.Size, c.tail.Size = c.Size, c.TailSize
		if c.Size > 0 && !yield(c.whole, io.NewSectionReader(c.file, c.offset, c.Size)) {
			return
		}
		if small := c.small; small != nil {
			c.small = nil // many cuts wait for the store
			yield(c.tail, bytes.NewReader(small))
		}
	}
}

// Close lets the log's file go. Done again it does nothing; Frames is not read after it.
func (c *Cut) Close() {
	if c.file != nil {
		c.file.Close() // it was only read
		c.file = nil
	}
}

// Undo marks the log as not journaled.
func (c *Cut) Undo() {
	if c.Fresh == 0 {
		return
	}
	for now := c.Log.fresh.Load(); now == 0 || now > c.Fresh; now = c.Log.fresh.Load() {
		if c.Log.fresh.CompareAndSwap(now, c.Fresh) {
			return
		}
	}
}

// DraftText returns a pod's draft as it stands in the spool, nil where there is none.
func (s *Spool) DraftText(pod archive.PodUID) ([]byte, error) {
	b, err := os.ReadFile(s.draftPath(pod))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
