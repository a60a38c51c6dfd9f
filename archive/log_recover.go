package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// recover takes up every log whose identity stands in the spool. Start-up is the only caller. A file that cannot be
// understood is left alone and said: a spool never deletes what it does not know.
func (s *Spool) recover() error {
	pods, err := s.Pods()
	if err != nil {
		return err
	}
	for _, pod := range pods {
		names, err := filepath.Glob(filepath.Join(s.podDir(pod), "*.json"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if base := filepath.Base(name); base == podFile || strings.HasSuffix(base, sealedExt) {
				continue
			}
			if err := s.recoverLog(name); err != nil {
				s.log.Error("recover log; its file is left as it is", "file", name, "err", err)
			}
		}
	}
	return nil
}

func (s *Spool) recoverLog(name string) error {
	var i Instance
	if err := readJSON(name, &i); err != nil {
		return err
	}
	l := newLog(s, i)
	l.sum = nil
	if l.path(".json") != name {
		return fmt.Errorf("file says it is of %s", i)
	}
	if err := l.recoverFrames(); err != nil {
		return err
	}
	if l.ended == nil {
		if err := l.recoverTail(); err != nil {
			return err
		}
	}
	s.used.Add(l.size + l.tailSize + l.extra)
	s.logs[i.name()] = l
	return nil
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
	info, err := file.Stat()
	if err != nil {
		return closing(file, err)
	}
	for l.size < info.Size() {
		h, text, err := l.spool.codec.scan(file, l.size, info.Size())
		if err != nil || h.FirstLine != l.tailEnd {
			break
		}
		l.counted(&h, text)
		l.recount(&h)
	}
	if l.recoverIndex(file, info.Size()) {
		return file.Close()
	}
	return closing(file, file.Truncate(l.size))
}

// recount brings the summary up to a frame that was found on disk.
func (l *Log) recount(h *head) {
	l.stat.Lines += h.Lines
	l.stat.Bytes += h.RawSize
	l.stat.Gaps = append(l.stat.Gaps, h.Gaps...)
	if h.Lines == 0 {
		return
	}
	if l.stat.First == 0 || h.Low < l.stat.First {
		l.stat.First = h.Low
	}
	l.stat.Last = max(l.stat.Last, h.High)
}

// recoverIndex takes up the index after the last frame, if the log had been ended.
func (l *Log) recoverIndex(file io.ReaderAt, size int64) bool {
	if l.size == size || size-l.size > 2*maxIndex {
		return false
	}
	b := make([]byte, size-l.size)
	if _, err := file.ReadAt(b, l.size); err != nil {
		return false
	}
	if _, _, short, err := endSizes(b); err != nil || short > 0 {
		return false
	}
	x, err := decodeIndex(b, l.size)
	if err != nil || x.Summary.Instance != l.instance {
		return false
	}
	l.ended, l.stat, l.extra = x, x.Summary, int64(len(b))
	return true
}

// recoverTail counts the small frames of .tail that .log does not hold already.
func (l *Log) recoverTail() error {
	b, err := os.ReadFile(l.path(".tail"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept []byte
	end := l.tailEnd
	for len(b) > 0 {
		_, h, err := l.spool.codec.decode(b)
		if err != nil {
			break
		}
		size := h.size + h.DataSize
		if h.FirstLine == end && (h.Lines > 0 || len(h.Gaps) > 0 && h.FirstLine >= l.tailEnd && !l.known(h.Gaps)) {
			kept = append(kept, b[:size]...)
			l.recount(&h)
			l.tailRaw += h.RawSize
			end += h.Lines
		}
		b = b[size:]
	}
	l.tailEnd, l.tailSize = end, int64(len(kept))
	return os.WriteFile(l.path(".tail"), kept, 0o600)
}

// known: the gaps stand in .log already.
func (l *Log) known(gaps []Gap) bool {
	for _, g := range gaps {
		for _, have := range l.stat.Gaps {
			if g == have {
				return true
			}
		}
	}
	return false
}

// scan reads and checks the frame at offset at of a file.
func (c *Codec) scan(r io.ReaderAt, at, size int64) (head, []byte, error) {
	fixed := make([]byte, skippableSize)
	if _, err := r.ReadAt(fixed, at); err != nil {
		return head{}, nil, err
	}
	n := int64(uint32(fixed[4]) | uint32(fixed[5])<<8 | uint32(fixed[6])<<16 | uint32(fixed[7])<<24)
	if n > maxHead || at+skippableSize+n > size {
		return head{}, nil, ErrDamaged
	}
	b := make([]byte, skippableSize+n)
	if _, err := r.ReadAt(b, at); err != nil {
		return head{}, nil, err
	}
	h, err := decodeHead(b)
	if err != nil {
		return head{}, nil, err
	}
	if at+h.size+h.DataSize > size {
		return head{}, nil, ErrDamaged
	}
	f, err := c.readFrame(r, at, h.size+h.DataSize)
	if err != nil {
		return head{}, nil, err
	}
	return h, f.text, nil
}

// writeJSON writes a small document whole or not at all: under another name first, then renamed.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
