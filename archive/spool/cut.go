package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// Position says how far a log is journaled, in terms of its files.
type Position struct {
	known  bool  // an entry names the log
	Frames int   // whole frames
	Cuts   int   // Log.cuts when tail was counted
	Tail   int64 // bytes of .tail
	line   int64 // lines up to there
	raw    int64 // bytes of their text
	ended  bool
	sealed bool
}

// Cut is what of a log is not journaled yet.
type Cut struct {
	Log         *Log
	To          Position
	More        bool  // it did not fit: there are more whole frames
	AgainFrames bool  // the whole frames of the last segment are journaled already
	AgainTail   bool  // the small frames, too
	Fresh       int64 // Log.fresh before

	file       *os.File // .log, where there are whole frames; whoever has the cut closes it
	offset     int64
	Size       int64
	First      int64 // lines before the whole frames
	WholeLines int64
	WholeBytes int64 // of text

	Tail      []byte
	TailSize  int64 // of tail, which is let go once it is written
	TailFirst int64
	TailLines int64
	TailBytes int64 // of text

	Lines, Last int64 // of the log: how many there are, and the latest time
	Ended       bool
	Record      *archive.InstanceRecord
}

// Cut gives what came since a position, nil where that is nothing, and while the log is in doubt. Open lines are
// written to .tail first. At most limit bytes of whole frames are given, but one frame at the least. Bytes of .log do
// not change once they are counted, so they are read later, without the lock.
func (l *Log) Cut(from Position, limit int64) (*Cut, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubted.Load() {
		return nil, nil // its lines stay fresh
	}
	c := &Cut{Log: l, To: from, Fresh: l.Fresh.Swap(0)}
	c.To.known = true
	if l.gone {
		return l.cutRecord(c, from)
	}
	// Where the disk has no room what is on it is journaled all the same, and the rest stays fresh.
	if l.flush() != nil {
		l.Fresh.CompareAndSwap(0, c.Fresh)
	}
	err := l.cutFrames(c, from, limit)
	if err == nil && !c.More {
		err = l.cutTailFrames(c, from)
	}
	if err != nil {
		l.Fresh.CompareAndSwap(0, c.Fresh)
		c.Close()
		return nil, fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	c.Lines, c.Last = l.stat.Lines, l.stat.Last
	if c.Ended = l.ended && !c.More && !from.ended; c.Ended {
		c.To.ended = true
	}
	if from.known && c.Size == 0 && len(c.Tail) == 0 && !c.Ended {
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
	c.Lines, c.Last, c.Record, c.To.sealed = l.stat.Lines, l.stat.Last, &r, true
	return c, nil
}

func (l *Log) cutFrames(c *Cut, from Position, limit int64) (err error) {
	if from.Frames >= len(l.frames) {
		return nil
	}
	x := l.frames[from.Frames]
	c.offset, c.First = x.Offset, x.FirstLine
	for ; c.To.Frames < len(l.frames); c.To.Frames++ {
		x := l.frames[c.To.Frames]
		size := x.Size()
		if c.Size > 0 && c.Size+size > limit {
			c.More = true
			break
		}
		c.Size += size
		c.WholeLines += x.Lines
		c.WholeBytes += x.RawSize
	}
	c.To.line, c.To.raw = c.First+c.WholeLines, x.RawOffset+c.WholeBytes
	c.file, err = os.Open(l.path(".log"))
	return err
}

func (l *Log) cutTailFrames(c *Cut, from Position) error {
	c.To.Cuts = l.cuts
	start, raw := from.Tail, from.raw
	c.TailFirst = from.line
	if from.Cuts != l.cuts || start == 0 {
		start, c.TailFirst, raw = 0, l.lineEnd(), l.rawEnd()
	}
	c.To.Tail = l.tailSize
	if start >= l.tailSize {
		return nil
	}
	file, err := os.Open(l.path(".tail"))
	if err != nil {
		return err
	}
	c.TailSize = l.tailSize - start
	c.Tail = make([]byte, c.TailSize)
	_, err = file.ReadAt(c.Tail, start)
	c.TailLines = max(0, l.tailEnd-c.TailFirst)
	c.TailBytes = max(0, l.rawEnd()+l.tailRaw-raw)
	c.To.line, c.To.raw = l.tailEnd, l.rawEnd()+l.tailRaw
	return format.Closing(file, err)
}

// Frames gives the whole frames' bytes.
func (c *Cut) Frames() io.Reader { return io.NewSectionReader(c.file, c.offset, c.Size) }

// Close lets the log's file go. Done again it does nothing; Frames is not read after it.
func (c *Cut) Close() {
	if c.file != nil {
		c.file.Close() // it was only read
		c.file = nil
	}
}

// Undo has the log count as not journaled again.
func (c *Cut) Undo() {
	if c.Fresh == 0 {
		return
	}
	for now := c.Log.Fresh.Load(); now == 0 || now > c.Fresh; now = c.Log.Fresh.Load() {
		if c.Log.Fresh.CompareAndSwap(now, c.Fresh) {
			return
		}
	}
}

// DraftText gives a pod's draft as it stands in the spool, nil where there is none.
func (s *Spool) DraftText(pod archive.PodUID) ([]byte, error) {
	b, err := os.ReadFile(s.DraftPath(pod))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
