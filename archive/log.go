package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Log is the open log of one instance. One follower appends; the spool's flusher and readers come in beside it.
//
// On disk it is two files. `.log` holds whole frames and nothing else: it is the log object in the making, and sealing
// appends the index and uploads this very file. `.tail` holds the lines of the frame that is not full yet, in small
// frames, one for each flush. When the frame is full its lines go to `.log` first and then `.tail` is cut to nothing: a
// crash in between leaves lines in both, and recovery drops those of `.tail` that `.log` already counts.
type Log struct {
	instance Instance
	spool    *Spool

	mu       sync.Mutex
	open     *frame       // guarded by mu; lines that are not on disk; nil: none
	frames   []IndexFrame // guarded by mu; of .log
	size     int64        // guarded by mu; bytes of .log without an index
	tailSize int64        // guarded by mu; bytes of .tail
	tailRaw  int64        // guarded by mu; text in .tail
	tailEnd  int64        // guarded by mu; lines in .log and .tail
	sum      hash.Hash    // guarded by mu; over the text in .log; nil after recovery: made again at the end
	stat     Summary      // guarded by mu; counts everything that was appended
	gaps     []Gap        // guarded by mu; those that no frame holds yet
	ended    *Index       // guarded by mu; set when the index is in .log
	extra    int64        // guarded by mu; bytes of index in .log
}

func newLog(s *Spool, i Instance) *Log {
	return &Log{instance: i, spool: s, sum: sha256.New(), stat: Summary{Version: formatVersion, Instance: i}}
}

// Instance says whose log this is.
func (l *Log) Instance() Instance { return l.instance }

// Summary says what is held now. SHA256 is empty until the log has ended.
func (l *Log) Summary() Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stat
}

// Append takes lines in the order in which they were served and copies their texts. It returns how many it took: all,
// or those before the error. ErrSpoolFull is the error to wait out; any other is the disk's.
func (l *Log) Append(lines ...Line) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return 0, fmt.Errorf("append to %s: the log has ended", l.instance)
	}
	for n, line := range lines {
		if err := l.makeRoom(int64(len(line.Text))); err != nil {
			return n, fmt.Errorf("append to %s: %w", l.instance, err)
		}
		l.take(line)
	}
	if held, limit := l.spool.Held(); held > limit {
		if err := l.flush(); err != nil {
			return len(lines), fmt.Errorf("append to %s: %w", l.instance, err)
		}
	}
	return len(lines), nil
}

func (l *Log) take(line Line) {
	if l.open == nil {
		l.open = l.spool.newFrame(l.tailEnd)
		l.spool.markDirty(l)
	}
	before := len(l.open.text)
	l.open.add(line)
	grown := int64(len(l.open.text) - before)
	l.spool.held.Add(grown)
	l.stat.Lines++
	l.stat.Bytes += grown
	if line.Time == 0 {
		return
	}
	if l.stat.First == 0 || line.Time < l.stat.First {
		l.stat.First = line.Time
	}
	l.stat.Last = max(l.stat.Last, line.Time)
}

// makeRoom closes the open frame where the next line does not fit.
func (l *Log) makeRoom(next int64) error {
	raw := l.tailRaw
	if l.open != nil {
		raw += int64(len(l.open.text))
	}
	if raw == 0 || raw+next <= frameTarget {
		return nil
	}
	return l.closeFrame()
}

// Gap writes down that lines are missing, or may be. It is on disk with the next flush.
func (l *Log) Gap(g Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = l.spool.newFrame(l.tailEnd)
		l.spool.markDirty(l)
	}
	l.open.gaps = append(l.open.gaps, g)
	l.stat.Gaps = append(l.stat.Gaps[:len(l.stat.Gaps):len(l.stat.Gaps)], g)
}

// Flush puts everything that was appended on disk.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

// flush appends the open lines to .tail as a small frame and gives their memory back.
func (l *Log) flush() error {
	if l.open == nil || l.open.empty() {
		return nil
	}
	b := l.spool.codec.scratch()
	defer func() { l.spool.codec.release(b) }()
	b, h, err := l.spool.codec.encode(b, l.open)
	if err != nil {
		return err
	}
	if err := l.write(".tail", l.tailSize, b); err != nil {
		return err
	}
	l.tailSize += int64(len(b))
	l.tailRaw += h.RawSize
	l.tailEnd += h.Lines
	l.dropOpen()
	return nil
}

func (l *Log) dropOpen() {
	if l.open == nil {
		return
	}
	l.spool.held.Add(-int64(len(l.open.text)))
	l.spool.releaseFrame(l.open)
	l.open = nil
}

// closeFrame makes one whole frame of .tail and the open lines and appends it to .log.
func (l *Log) closeFrame() error {
	f, err := l.gather()
	if err != nil || f.empty() {
		return err
	}
	b := l.spool.codec.scratch()
	defer func() { l.spool.codec.release(b) }()
	b, h, err := l.spool.codec.encode(b, f)
	if err != nil {
		return err
	}
	if err := l.write(".log", l.size, b); err != nil {
		return err
	}
	l.counted(&h, f.text)
	if f != l.open {
		l.spool.releaseFrame(f)
	}
	l.dropOpen()
	return l.cutTail()
}

// counted takes a frame that is in .log into the index.
func (l *Log) counted(h *head, text []byte) {
	l.frames = append(l.frames, IndexFrame{
		Offset: l.size, HeadSize: h.size, DataSize: h.DataSize, RawOffset: l.rawEnd(), RawSize: h.RawSize,
		FirstLine: h.FirstLine, Lines: h.Lines, Low: h.Low, High: h.High, CRC: h.DataCRC,
	})
	l.size += h.size + h.DataSize
	l.tailEnd = h.FirstLine + h.Lines
	if l.sum != nil {
		l.sum.Write(text)
	}
}

func (l *Log) rawEnd() int64 {
	if n := len(l.frames); n > 0 {
		return l.frames[n-1].RawOffset + l.frames[n-1].RawSize
	}
	return 0
}

// gather gives the lines that no whole frame holds. Where there is no .tail that is the open frame itself.
func (l *Log) gather() (*frame, error) {
	if l.open == nil {
		l.open = l.spool.newFrame(l.tailEnd)
	}
	if l.tailSize == 0 {
		return l.open, nil
	}
	all := l.spool.newFrame(l.tailEnd - l.tailLines())
	err := l.eachTail(func(f *frame) error { return all.append(f) })
	if err == nil {
		err = all.append(l.open)
	}
	if err != nil {
		return nil, fmt.Errorf("read tail of %s: %w", l.instance, err)
	}
	return all, nil
}

func (l *Log) tailLines() int64 {
	if n := len(l.frames); n > 0 {
		return l.tailEnd - l.frames[n-1].FirstLine - l.frames[n-1].Lines
	}
	return l.tailEnd
}

// eachTail gives the small frames of .tail in order.
func (l *Log) eachTail(visit func(*frame) error) error {
	if l.tailSize == 0 {
		return nil
	}
	b, err := os.ReadFile(l.path(".tail"))
	if err != nil {
		return err
	}
	for b = b[:min(l.tailSize, int64(len(b)))]; len(b) > 0; {
		f, h, err := l.spool.codec.decode(b)
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		b = b[h.size+h.DataSize:]
	}
	return nil
}

// append adds the lines and gaps of another frame.
func (f *frame) append(g *frame) error {
	f.gaps = append(f.gaps, g.gaps...)
	return g.lines(func(line Line) bool {
		f.add(line)
		return true
	})
}

func (l *Log) cutTail() error {
	size := l.tailSize
	l.tailSize, l.tailRaw = 0, 0
	if size == 0 {
		return nil
	}
	l.spool.grow(-size)
	if err := os.Truncate(l.path(".tail"), 0); err != nil {
		return fmt.Errorf("cut tail of %s: %w", l.instance, err)
	}
	return nil
}

// write puts b at offset at of a file, all of it or, as far as anyone will read, nothing: what a failed write left
// behind lies after the size that is counted, the next write goes over it, and recovery cuts it.
func (l *Log) write(ext string, at int64, b []byte) error {
	if err := l.spool.reserve(int64(len(b))); err != nil {
		return err
	}
	if err := writeAt(l.path(ext), at, b); err != nil {
		l.spool.grow(-int64(len(b)))
		return fmt.Errorf("write spool file: %w", err)
	}
	return nil
}

func writeAt(path string, at int64, b []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := file.Truncate(at); err != nil {
		return closing(file, err)
	}
	_, err = file.WriteAt(b, at)
	return closing(file, err)
}

// closing closes c and gives the first of the two errors.
func closing(c io.Closer, err error) error {
	if cerr := c.Close(); err == nil {
		return cerr
	}
	return err
}

func (l *Log) path(ext string) string {
	i := l.instance
	return filepath.Join(l.spool.podDir(i.PodUID), fmt.Sprintf("%s.%d%s", i.Container, i.Restart, ext))
}

// discard forgets the log and gives the bytes that it had on disk.
func (l *Log) discard() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropOpen()
	size := l.size + l.tailSize + l.extra
	l.size, l.tailSize, l.extra = 0, 0, 0
	return size
}

var hashSeed = maphash.MakeSeed()

// Hash is what two lines are compared by within one process: their time, bytes and end.
func (line Line) Hash() uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	t := uint64(line.Time)
	if line.Partial {
		t = ^t
	}
	var b [8]byte
	for i := range b {
		b[i] = byte(t >> (8 * i))
	}
	h.Write(b[:])
	h.Write(line.Text)
	return h.Sum64()
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
