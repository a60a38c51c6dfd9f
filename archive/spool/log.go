package spool

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/news"
)

// Log is the open log of one instance. One follower appends; the spool's flusher and readers come in beside it.
//
// On disk it is two files. `.log` holds whole frames and nothing else: it is the log object in the making, and sealing
// appends the index and uploads these very bytes, in the order of the object. `.tail` holds the lines of the frame that
// is not full yet, in small frames, one for each flush. When the frame is full its lines go to `.log` first and then
// `.tail` is cut to nothing: a crash in between leaves lines in both, and recovery drops those of `.tail` that `.log`
// already counts. Where there is no `.tail` to join with, as in a log that floods, the full frame is compressed and
// written beside the appending.
type Log struct {
	instance archive.Instance
	spool    *Spool
	copy     int64  // no other log of the process has it
	infix    string // in the names of its files
	begun    int64  // when it was begun in doubt; 0: it was not

	mu       sync.Mutex
	open     *format.Frame       // guarded by mu; lines that are not on disk; nil: none
	handed   *handed             // guarded by mu; the full frame before open; nil: none
	reading  int64               // guarded by mu; what the reader of the log holds of lines without an end
	memory   int64               // guarded by mu; what of all three is counted in the spool's held bytes
	frames   []format.IndexFrame // guarded by mu; of .log
	size     int64               // guarded by mu; bytes of .log without an index
	tailSize int64               // guarded by mu; bytes of .tail
	tailRaw  int64               // guarded by mu; text in .tail
	tailEnd  int64               // guarded by mu; lines before the open frame
	// guarded by mu; how often .tail was cut, which tells the journal that its place in it is gone
	cuts    int
	sum     hash.Hash       // guarded by mu, and by handed while its work goes on; over the text in .log
	turned  int64           // guarded by mu; rotations that no frame has
	stat    archive.Summary // guarded by mu; counts everything that was appended
	ended   bool            // guarded by mu; the index is in .log, or was
	gone    bool            // guarded by mu; the frames have left the spool, or may
	extra   int64           // guarded by mu; bytes on disk beside size and tailSize
	besides int64           // guarded by mu; bytes of what lies aside

	watchers map[news.Wakeup]struct{} // guarded by mu; readers that wait for something new

	doubted atomic.Bool  // it is neither journaled nor sealed
	fresh   atomic.Int64 // when the oldest line came that the journal has not taken, ns since 1970; 0: none
}

func newLog(s *Spool, i archive.Instance) *Log {
	return &Log{instance: i, spool: s, copy: s.copies.Add(1), sum: sha256.New(), stat: archive.Summary{Version: archive.FormatVersion, Instance: i}}
}

// Instance returns whose log this is.
func (l *Log) Instance() archive.Instance { return l.instance }

// Fresh returns when the oldest line came that the journal has not taken, ns since 1970; 0: there is none.
func (l *Log) Fresh() int64 { return l.fresh.Load() }

// Summary returns what is held now. SHA256 is empty until the log has ended.
func (l *Log) Summary() archive.Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stat
}

// Append takes lines in the order in which they were served and copies their texts. It returns how many it took: all,
// or those before the error. ErrFull is the error to wait out; any other is the disk's or the caller's.
func (l *Log) Append(lines ...archive.Line) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.gone {
		return 0, fmt.Errorf("append to %s: the log has ended", l.instance)
	}
	defer l.account()
	defer l.changed()
	if len(lines) > 0 && l.fresh.Load() == 0 {
		l.fresh.Store(time.Now().UnixNano())
	}
	for n := range lines {
		if err := l.take(&lines[n]); err != nil {
			return n, fmt.Errorf("append to %s: %w", l.instance, err)
		}
	}
	l.account()
	if held, limit := l.spool.Held(); held > limit {
		l.spool.press()
		if err := l.flush(); err != nil {
			return len(lines), fmt.Errorf("append to %s: %w", l.instance, err)
		}
	}
	return len(lines), nil
}

func (l *Log) take(line *archive.Line) error {
	// Either would make a frame that cannot be read back.
	if len(line.Text) > archive.MaxLine {
		return fmt.Errorf("line of %d bytes, must be cut to pieces of at most %d", len(line.Text), archive.MaxLine)
	}
	if bytes.IndexByte(line.Text, '\n') >= 0 {
		return fmt.Errorf("line with a newline inside, must be cut there")
	}
	if err := l.makeRoom(int64(len(line.Text))); err != nil {
		return err
	}
	f := l.opened()
	before := len(f.Text)
	f.Add(line)
	l.stat.Lines++
	l.stat.Bytes += int64(len(f.Text) - before)
	l.stat.Span(line.Time, line.Time)
	return nil
}

// opened returns the open frame.
func (l *Log) opened() *format.Frame {
	if l.open == nil {
		l.open = l.spool.newFrame(l.tailEnd)
		l.open.Rotations, l.turned = l.turned, 0
		l.spool.markDirty(l)
	}
	return l.open
}

// account brings the spool's count of memory up to date.
func (l *Log) account() {
	memory := l.reading
	if l.open != nil {
		memory = l.open.Memory()
	}
	if l.handed != nil {
		memory += l.handed.memory
	}
	l.spool.held.Add(memory - l.memory)
	l.memory = memory
}

// Reading notes how many bytes the follower holds of lines that have no end so far. They count as the spool's memory:
// whoever appends next writes lines to the disk sooner.
func (l *Log) Reading(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = bytes
	l.account()
}

// maxTail is the size at which .tail is made into a frame even if that is not full: a log of a line now and then would
// else grow a tail of many small frames, which is read whole each time.
const maxTail = 2 * format.FrameTarget

// makeRoom closes the open frame where the next line does not fit.
func (l *Log) makeRoom(next int64) error {
	raw, lines := l.tailRaw, int64(0)
	if l.open != nil {
		raw += int64(len(l.open.Text))
		lines = int64(len(l.open.Times))
	}
	if l.handed == nil {
		lines = l.stat.Lines - l.lineEnd() // without text they take room all the same
	}
	if lines == 0 || raw+next <= format.FrameTarget && lines < format.FrameTarget && l.tailSize <= maxTail {
		return nil
	}
	// The frame before must be out of the way: here a stream waits for the compression, if that is the slower one.
	if err := l.settle(l.spool.Reserve); err != nil {
		return err
	}
	if l.handOff() {
		return nil
	}
	return l.closeFrame(l.spool.Reserve)
}

// Gap writes down that lines are missing, or may be. It is on disk with the next flush.
func (l *Log) Gap(g archive.Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.gone {
		l.spool.log.Error("gap in a log that has ended is not kept", "instance", l.instance, "reason", g.Reason)
		return
	}
	l.gap(g)
}

// Rotated writes down that the log was seen to have been rotated. It is no gap: what the runtime wrote to the old file
// between its renaming and its reopening was served to nobody, and nothing says whether that was anything. It is on
// disk with the next lines.
func (l *Log) Rotated() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.gone {
		return
	}
	l.stat.Rotations++
	if l.open != nil {
		l.open.Rotations++
		return
	}
	l.turned++ // a log that waits for its next line holds no frame
}

func (l *Log) gap(g archive.Gap) {
	f := l.opened()
	f.Gaps = archive.AppendGap(f.Gaps, g)
	l.stat.Gaps = archive.AppendGap(l.stat.Gaps, g)
}

// Flush puts everything that was appended on disk.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

// flush appends the open lines to .tail as a small frame and gives their memory back.
func (l *Log) flush() error {
	if err := l.settle(l.spool.Reserve); err != nil {
		return err
	}
	if l.open == nil || l.open.Empty() {
		return nil
	}
	b, h, err := l.spool.Codec.Encode(l.spool.Codec.Scratch(), l.open)
	defer func() { l.spool.Codec.Release(b) }()
	if err != nil {
		return err
	}
	if err := l.write(".tail", l.tailSize, b, l.spool.Reserve); err != nil {
		return err
	}
	l.tailSize += int64(len(b))
	l.tailRaw += h.RawSize
	l.tailEnd += h.Lines
	l.dropOpen()
	return nil
}

func (l *Log) dropOpen() {
	if l.open != nil {
		l.spool.releaseFrame(l.open)
		l.open = nil
	}
	l.account()
}

func (l *Log) rawEnd() int64 {
	if n := len(l.frames); n > 0 {
		return l.frames[n-1].RawOffset + l.frames[n-1].RawSize
	}
	return 0
}

// lineEnd is the number of lines in .log.
func (l *Log) lineEnd() int64 {
	if n := len(l.frames); n > 0 {
		return l.frames[n-1].FirstLine + l.frames[n-1].Lines
	}
	return 0
}
