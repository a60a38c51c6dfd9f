package archive

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

// Held gives the lines that are held and whose time is not before since, in order, until yield returns false. Lines
// without a time count as those before them. The texts are good until yield returns.
func (l *Log) Held(since int64, yield func(Line) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	more := true
	visit := func(f *frame) error {
		return f.lines(func(line Line) bool {
			if line.Time >= since || line.Time == 0 {
				more = yield(line)
			}
			return more
		})
	}
	if err := l.eachFrame(since, func(f *frame) (bool, error) { err := visit(f); return more, err }); err != nil || !more {
		return err
	}
	if err := l.eachTail(visit); err != nil || !more {
		return err
	}
	if l.open == nil {
		return nil
	}
	return visit(l.open)
}

// eachFrame decodes the frames of .log that hold anything at or after since.
func (l *Log) eachFrame(since int64, visit func(*frame) (bool, error)) error {
	if len(l.frames) == 0 {
		return nil
	}
	file, err := os.Open(l.path(".log"))
	if err != nil {
		return fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	defer file.Close()
	for _, x := range l.frames {
		if x.High < since {
			continue
		}
		f, err := l.spool.codec.readFrame(file, x.Offset, x.HeadSize+x.DataSize)
		if err != nil {
			return fmt.Errorf("read spool of %s: %w", l.instance, err)
		}
		if more, err := visit(f); err != nil || !more {
			return err
		}
	}
	return nil
}

func (c *Codec) readFrame(r io.ReaderAt, at, size int64) (*frame, error) {
	b := make([]byte, size)
	if _, err := r.ReadAt(b, at); err != nil {
		return nil, err
	}
	f, _, err := c.decode(b)
	return f, err
}

// End closes the log: the last frame, the index and the seek table go to .log, which is then the log object. It may be
// called again, also after a failure or a restart, and always makes the same bytes of the same lines. A log without
// lines has no object; End then gives its summary only.
func (l *Log) End() (Summary, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return l.stat, nil
	}
	if err := l.end(); err != nil {
		return Summary{}, fmt.Errorf("end log of %s: %w", l.instance, err)
	}
	return l.stat, nil
}

func (l *Log) end() error {
	if err := l.closeFrame(); err != nil {
		return err
	}
	l.dropOpen()
	if err := l.resum(); err != nil {
		return err
	}
	l.stat.SHA256 = hexSum(l.sum)
	x := &Index{Summary: l.stat, Frames: l.frames}
	b, err := appendIndex(nil, x, l.size)
	if err != nil {
		return err
	}
	// The index is written over the limit: it is small, and it is what lets a full spool become empty.
	if err := writeAt(l.path(".log"), l.size, b); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	l.extra = int64(len(b))
	l.spool.grow(l.extra)
	l.ended = x
	return nil
}

// resum makes the checksum of a recovered log again from its frames.
func (l *Log) resum() error {
	if l.sum != nil {
		return nil
	}
	sum := sha256.New()
	err := l.eachFrame(0, func(f *frame) (bool, error) {
		sum.Write(f.text)
		return true, nil
	})
	if err == nil {
		l.sum = sum
	}
	return err
}

// Object opens the finished log object. Only after End.
func (l *Log) Object() (*os.File, error) {
	file, err := os.Open(l.path(".log"))
	if err != nil {
		return nil, fmt.Errorf("open log object of %s: %w", l.instance, err)
	}
	return file, nil
}
