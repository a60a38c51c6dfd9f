package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// counted takes a frame that is in .log into the index.
func (l *Log) counted(h *format.Head) {
	place := h.Place()
	place.Offset, place.RawOffset = l.size, l.rawEnd()
	l.frames = append(l.frames, place)
	l.size += place.Size()
	l.tailEnd = h.FirstLine + h.Lines
}

// gather returns the lines that no whole frame holds. Where there is no .tail that is the open frame itself.
func (l *Log) gather() (*format.Frame, error) {
	open := l.opened()
	if l.tailSize == 0 {
		return open, nil
	}
	small, err := l.tailFrames()
	if errors.Is(err, archive.ErrDamaged) {
		l.giveUpTail(small, err)
	} else if err != nil {
		return nil, fmt.Errorf("read tail of %s: %w", l.instance, err)
	}
	all := l.spool.newFrame(l.lineEnd())
	for _, f := range append(small, open) {
		if err := all.Append(f); err != nil {
			return nil, fmt.Errorf("join tail of %s: %w", l.instance, err)
		}
	}
	return all, nil
}

// giveUpTail counts what of a damaged .tail cannot be read as lost. Without it the log could never be sealed.
func (l *Log) giveUpTail(small []*format.Frame, cause error) {
	end, raw := l.lineEnd(), int64(0)
	for _, f := range small {
		end += int64(len(f.Times))
		raw += int64(len(f.Text))
	}
	lost := l.tailEnd - end
	if lost <= 0 {
		return // said already, by a try that then met another error
	}
	l.spool.log.Error("spool file is damaged; its last lines are lost", "instance", l.instance, "lines", lost, "err", cause)
	l.stat.Lines -= lost
	l.stat.Bytes -= l.tailRaw - raw
	l.tailEnd, l.tailRaw = end, raw
	l.gap(archive.Gap{
		AfterLine: end, From: l.stat.Last, Reason: archive.GapDamaged, Detail: fmt.Sprintf("%d lines in the spool were damaged on disk", lost),
	})
}

// tailFrames returns the small frames of .tail in order, with ErrDamaged only those before the damage.
func (l *Log) tailFrames() ([]*format.Frame, error) {
	if l.tailSize == 0 {
		return nil, nil
	}
	b, err := os.ReadFile(l.path(".tail"))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > l.tailSize {
		b = b[:l.tailSize]
	}
	var frames []*format.Frame
	at := int64(0)
	for at < l.tailSize {
		f, h, err := l.spool.Codec.Decode(b[at:])
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
		at += h.Size + h.DataSize
	}
	return frames, nil
}

func (l *Log) cutTail() error {
	size := l.tailSize
	l.tailSize, l.tailRaw = 0, 0
	l.cuts++
	if size == 0 {
		return nil
	}
	l.spool.Grow(-size)
	if err := os.Truncate(l.path(".tail"), 0); err != nil {
		return fmt.Errorf("cut tail of %s: %w", l.instance, err)
	}
	return nil
}

// write puts b at offset at of a file, all of it or, as far as anyone will read, nothing: what a failed write left
// behind lies after the size that is counted, the next write goes over it, and recovery cuts it.
func (l *Log) write(ext string, at int64, b []byte, take func(int64) error) error {
	if err := take(int64(len(b))); err != nil {
		return err
	}
	err := l.spool.Write(int64(len(b)), take, func() error { return format.WriteAt(l.path(ext), at, b) })
	if err != nil {
		l.spool.Grow(-int64(len(b)))
		return fmt.Errorf("write spool file: %w", err)
	}
	return nil
}

func (l *Log) path(ext string) string {
	i := l.instance
	return filepath.Join(l.spool.podDir(i.PodUID), fmt.Sprintf("%s.%d%s%s", i.Container, i.Restart, l.infix, ext))
}

func (l *Log) left() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

// leave ends what the log takes and gives.
func (l *Log) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	l.fresh.Store(0)
	l.abandon()
	l.changed()
	l.dropOpen()
}

// Drop takes the log's frames off the disk and gives the spool their room back. Its record stays. It may be called
// again.
func (l *Log) Drop() error {
	l.leave()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ext := range []string{".log", ".tail"} {
		if err := os.Remove(l.path(ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop frames of %s: %w", l.instance, err)
		}
	}
	size := l.size + l.tailSize + l.extra
	l.frames, l.size, l.tailSize, l.extra = nil, 0, 0, 0
	l.spool.Grow(-size)
	return nil
}

// Nameless makes a file without a name beside the logs: nothing is left of it when the process dies.
func (s *Spool) Nameless() (*os.File, error) {
	file, err := os.CreateTemp(s.cfg.Dir, ".journal-*")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}
