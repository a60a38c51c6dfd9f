package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// recover ends the drops that a crash cut short, and takes up every log whose identity stands in the spool. A file that
// cannot be understood is left alone and said: a spool never deletes what it does not know.
func (s *Spool) recover() error {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), dropped) {
			if err := os.RemoveAll(filepath.Join(s.cfg.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return s.recoverLogs()
}

func (s *Spool) recoverLogs() error {
	pods, err := s.Pods()
	if err != nil {
		return err
	}
	for _, pod := range pods {
		files, err := os.ReadDir(s.podDir(pod))
		if err != nil {
			return fmt.Errorf("list spool of pod %s: %w", pod, err)
		}
		s.drafted[pod] = struct{}{}
		for _, file := range files {
			name := file.Name()
			if !strings.HasSuffix(name, ".json") || name == podFile || strings.HasSuffix(name, SealedExt) {
				continue
			}
			path := filepath.Join(s.podDir(pod), name)
			if err := s.recoverLog(path); err != nil {
				s.log.Error("recover log; its files are left as they are", "file", path, "err", err)
			}
		}
	}
	return nil
}

func (s *Spool) recoverLog(path string) error {
	var id identity
	if err := disk.ReadJSON(path, &id); err != nil {
		return err
	}
	i := id.Instance
	l := newLog(s, i)
	l.begun = id.Doubted
	s.newest = max(s.newest, id.Doubted)
	if l.path(".json") != path {
		return fmt.Errorf("file says it is of %s", i)
	}
	if err := l.recover(); err != nil {
		return err
	}
	s.logs[i.ID()] = l
	return nil
}

// recover takes up the log's files as an earlier process left them, also where there are none.
func (l *Log) recover() error {
	l.findAside()
	if sealed, err := l.recoverRecord(); sealed || err != nil {
		return err
	}
	if err := l.recoverFrames(); err != nil {
		return err
	}
	if l.ended {
		// What stands in .tail is stale, or a record that was not finished.
		if info, err := os.Stat(l.path(".tail")); err == nil {
			l.extra += info.Size()
		}
	} else if err := l.recoverTail(); err != nil {
		return err
	}
	l.spool.Grow(l.size + l.tailSize + l.extra)
	return nil
}

// recoverRecord takes up a log whose object is in the store: its frames are gone, or go with the next seal.
func (l *Log) recoverRecord() (sealed bool, err error) {
	r, ok, err := l.Record()
	if err != nil {
		// Without it the log counts as not read to its end. It is sealed again, and the object that is in the store is
		// found.
		l.spool.log.Error("record of a sealed log cannot be read; it is set aside", "instance", l.instance, "err", err)
		if err := os.Rename(l.path(SealedExt), l.path(SealedExt)+".bad"); err != nil {
			return false, fmt.Errorf("set record of %s aside: %w", l.instance, err)
		}
	}
	if !ok {
		return false, nil
	}
	l.ended, l.gone, l.stat = true, true, r.Summary()
	for _, ext := range []string{".log", ".tail"} {
		if info, err := os.Stat(l.path(ext)); err == nil {
			l.extra += info.Size()
		}
	}
	l.spool.Grow(l.extra)
	return true, nil
}

// recoverFrames counts the whole frames of .log and cuts what follows the last one: a write that a crash tore.
func (l *Log) recoverFrames() error {
	file, err := os.OpenFile(l.path(".log"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return format.Closing(file, l.scan(file))
}

// logFile is .log as recovery needs it.
type logFile interface {
	io.ReaderAt
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
}

func (l *Log) scan(file logFile) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	for l.size < info.Size() {
		f, h, err := l.spool.Codec.Scan(file, l.size, info.Size())
		if errors.Is(err, archive.ErrDamaged) || err == nil && h.FirstLine != l.tailEnd {
			break
		}
		if err != nil {
			return err // the disk's: nothing is cut for it
		}
		l.counted(&h)
		l.sum.Write(f.Text)
		l.recount(&h)
	}
	if l.size == info.Size() || l.recoverIndex(file, info.Size()) {
		return nil
	}
	l.spool.log.Warn("cut torn end of spool file", "instance", l.instance, "bytes", info.Size()-l.size)
	return file.Truncate(l.size)
}

// recount brings the summary up to a frame that was found on disk.
func (l *Log) recount(h *format.Head) {
	l.stat.Lines += h.Lines
	l.stat.Bytes += h.RawSize
	l.stat.Rotations += h.Rotations
	l.stat.Span(h.Low, h.High)
	for _, g := range h.Gaps {
		l.stat.Gaps = archive.AppendGap(l.stat.Gaps, g)
	}
}

// recoverIndex takes up the index after the last frame, if the log had been ended.
func (l *Log) recoverIndex(file io.ReaderAt, size int64) bool {
	if size-l.size > 2*format.MaxIndex {
		return false
	}
	b := make([]byte, size-l.size)
	if _, err := file.ReadAt(b, l.size); err != nil {
		return false
	}
	seekTable, index, short, err := format.EndSizes(b)
	if err != nil || short > 0 || seekTable+index != int64(len(b)) {
		return false
	}
	x, err := format.DecodeIndex(b, l.size)
	if err != nil || x.Summary.Instance != l.instance || !slices.Equal(x.Frames, l.frames) {
		return false
	}
	l.ended, l.stat, l.extra = true, x.Summary, int64(len(b))
	return true
}

// recoverTail counts the small frames of .tail that .log does not hold already, and takes the others off the disk.
func (l *Log) recoverTail() error {
	file, err := os.Open(l.path(".tail"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// The last flush may have been one of very many lines; more than that nobody wrote.
	b, err := io.ReadAll(io.LimitReader(file, maxTail+2*format.MaxHead))
	if err = format.Closing(file, err); err != nil {
		return err
	}
	kept := l.countTail(b)
	l.tailSize = int64(len(kept))
	if len(kept) == len(b) {
		return nil
	}
	l.spool.log.Warn("cut torn or stale lines of spool file", "instance", l.instance, "bytes", len(b)-len(kept))
	return disk.WriteFile(l.path(".tail"), kept)
}

func (l *Log) countTail(b []byte) (kept []byte) {
	for len(b) > 0 {
		_, h, err := l.spool.Codec.Decode(b)
		if err != nil {
			break
		}
		size := h.Size + h.DataSize
		if h.FirstLine == l.tailEnd && (h.Lines > 0 || !l.known(h.Gaps)) {
			kept = append(kept, b[:size]...)
			l.recount(&h)
			l.tailRaw += h.RawSize
			l.tailEnd += h.Lines
		}
		b = b[size:]
	}
	return kept
}

// known: the gaps stand in .log already.
func (l *Log) known(gaps []archive.Gap) bool {
	return slices.ContainsFunc(gaps, func(g archive.Gap) bool { return slices.Contains(l.stat.Gaps, g) })
}
