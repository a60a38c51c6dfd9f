package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// position says how far a log is journaled, in terms of its files.
type position struct {
	known  bool  // an entry names the log
	frames int   // whole frames
	cuts   int   // Log.cuts when tail was counted
	tail   int64 // bytes of .tail
	line   int64 // lines up to there
	raw    int64 // bytes of their text
	ended  bool
	sealed bool
}

// cut is what of a log is not journaled yet.
type cut struct {
	log         *Log
	to          position
	more        bool  // it did not fit: there are more whole frames
	againFrames bool  // the whole frames of the last segment are journaled already
	againTail   bool  // the small frames, too
	fresh       int64 // Log.fresh before

	file       *os.File // .log, where there are whole frames; whoever has the cut closes it
	offset     int64
	size       int64
	first      int64 // lines before the whole frames
	wholeLines int64
	wholeBytes int64 // of text

	tail      []byte
	tailSize  int64 // of tail, which is let go once it is written
	tailFirst int64
	tailLines int64
	tailBytes int64 // of text

	lines, last int64 // of the log: how many there are, and the latest time
	ended       bool
	record      *InstanceRecord
}

// cut gives what came since a position, nil where that is nothing, and while the log is in doubt. Open lines are written to .tail first. At most limit
// bytes of whole frames are given, but one frame at the least. Bytes of .log do not change once they are counted, so they
// are read later, without the lock.
func (l *Log) cut(from position, limit int64) (*cut, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubted.Load() {
		return nil, nil // its lines stay fresh
	}
	c := &cut{log: l, to: from, fresh: l.fresh.Swap(0)}
	c.to.known = true
	if l.gone {
		return l.cutRecord(c, from)
	}
	// Where the disk has no room what is on it is journaled all the same, and the rest stays fresh.
	if l.flush() != nil {
		l.fresh.CompareAndSwap(0, c.fresh)
	}
	err := l.cutFrames(c, from, limit)
	if err == nil && !c.more {
		err = l.cutTailFrames(c, from)
	}
	if err != nil {
		l.fresh.CompareAndSwap(0, c.fresh)
		c.close()
		return nil, fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	c.lines, c.last = l.stat.Lines, l.stat.Last
	if c.ended = l.ended && !c.more && !from.ended; c.ended {
		c.to.ended = true
	}
	if from.known && c.size == 0 && len(c.tail) == 0 && !c.ended {
		return nil, nil
	}
	return c, nil
}

// cutRecord journals that the log is in the store. A log that was dropped has no record.
func (l *Log) cutRecord(c *cut, from position) (*cut, error) {
	r, ok, err := l.Record()
	if from.sealed || !ok || err != nil {
		return nil, err
	}
	c.lines, c.last, c.record, c.to.sealed = l.stat.Lines, l.stat.Last, &r, true
	return c, nil
}

func (l *Log) cutFrames(c *cut, from position, limit int64) (err error) {
	if from.frames >= len(l.frames) {
		return nil
	}
	x := l.frames[from.frames]
	c.offset, c.first = x.Offset, x.FirstLine
	for ; c.to.frames < len(l.frames); c.to.frames++ {
		x := l.frames[c.to.frames]
		size := x.size()
		if c.size > 0 && c.size+size > limit {
			c.more = true
			break
		}
		c.size += size
		c.wholeLines += x.Lines
		c.wholeBytes += x.RawSize
	}
	c.to.line, c.to.raw = c.first+c.wholeLines, x.RawOffset+c.wholeBytes
	c.file, err = os.Open(l.path(".log"))
	return err
}

func (l *Log) cutTailFrames(c *cut, from position) error {
	c.to.cuts = l.cuts
	start, raw := from.tail, from.raw
	c.tailFirst = from.line
	if from.cuts != l.cuts || start == 0 {
		start, c.tailFirst, raw = 0, l.lineEnd(), l.rawEnd()
	}
	c.to.tail = l.tailSize
	if start >= l.tailSize {
		return nil
	}
	file, err := os.Open(l.path(".tail"))
	if err != nil {
		return err
	}
	c.tailSize = l.tailSize - start
	c.tail = make([]byte, c.tailSize)
	_, err = file.ReadAt(c.tail, start)
	c.tailLines = max(0, l.tailEnd-c.tailFirst)
	c.tailBytes = max(0, l.rawEnd()+l.tailRaw-raw)
	c.to.line, c.to.raw = l.tailEnd, l.rawEnd()+l.tailRaw
	return closing(file, err)
}

// frames gives the whole frames' bytes.
func (c *cut) frames() io.Reader { return io.NewSectionReader(c.file, c.offset, c.size) }

func (c *cut) close() {
	if c.file != nil {
		c.file.Close() // it was only read
		c.file = nil
	}
}

// undo has the log count as not journaled again.
func (c *cut) undo() {
	if c.fresh == 0 {
		return
	}
	for now := c.log.fresh.Load(); now == 0 || now > c.fresh; now = c.log.fresh.Load() {
		if c.log.fresh.CompareAndSwap(now, c.fresh) {
			return
		}
	}
}

// draftText gives a pod's draft as it stands in the spool, nil where there is none.
func (s *Spool) draftText(pod PodUID) ([]byte, error) {
	b, err := os.ReadFile(s.draftPath(pod))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
