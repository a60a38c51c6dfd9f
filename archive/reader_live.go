package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
)

// snapshot is what this process holds of an open log at one moment, from some line on. Reading it holds nobody up.
type snapshot struct {
	log    *Log
	file   *os.File // .log; nil: none of it is needed
	whole  []IndexFrame
	tail   []byte  // .tail, as it was
	memory []piece // copies of the lines in memory, those of the wanted line on
	tailAt int64   // lines and bytes of text before .tail, and in it
	rawAt  int64
	inTail int64
	inRaw  int64
	lines  int64 // of the log
	bytes  int64
	ended  bool // no line will follow
	found  []section
}

// snapshot gives what is held, at least from a position on: the number of lines before it and of bytes of their text. What is
// before it may be left out. A log that has left the spool gives ErrGone.
func (l *Log) snapshot(lines, raw int64) (*snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, ErrGone
	}
	s := &snapshot{
		log: l, tailAt: l.lineEnd(), rawAt: l.rawEnd(), inRaw: l.tailRaw,
		lines: l.stat.Lines, bytes: l.stat.Bytes, ended: l.ended,
	}
	if err := s.take(l, lines, raw); err != nil {
		s.close()
		return nil, fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	return s, nil
}

// take copies what may move once the log's lock is given back.
func (s *snapshot) take(l *Log, lines, raw int64) (err error) {
	if lines < s.tailAt {
		s.whole = l.frames
		if s.file, err = os.Open(l.path(".log")); err != nil {
			return err
		}
	}
	at := s.rawAt + s.inRaw
	if h := l.handed; h != nil { // .tail is empty then
		s.remember(h.frame, at, lines, raw)
		at += int64(len(h.frame.text))
	} else {
		s.inTail = l.tailEnd - s.tailAt
	}
	if l.open != nil {
		s.remember(l.open, at, lines, raw)
	}
	if lines < s.tailAt+s.inTail && l.tailSize > 0 {
		if s.tail, err = os.ReadFile(l.path(".tail")); err != nil {
			return err
		}
		s.tail = s.tail[:min(int64(len(s.tail)), l.tailSize)]
	}
	return nil
}

// remember copies a frame in memory, whose text starts at an offset, from a position on.
func (s *snapshot) remember(f *frame, at, lines, raw int64) {
	end := f.firstLine + int64(len(f.times))
	if end <= lines {
		return
	}
	skip, from := lines-f.firstLine, raw-at
	if skip <= 0 || from <= 0 || from > int64(len(f.text)) {
		skip, from = 0, 0
	}
	s.memory = append(s.memory, piece{f.rest(int(skip), int(from)), at + from})
}

// rest gives a copy of the frame without its first lines, which have so many bytes.
func (f *frame) rest(lines, size int) *frame {
	g := &frame{
		firstLine: f.firstLine + int64(lines), text: bytes.Clone(f.text[size:]), times: slices.Clone(f.times[lines:]), gaps: f.gaps,
	}
	for _, m := range f.marks {
		if m.line >= lines {
			m.line -= lines
			g.marks = append(g.marks, m)
		}
	}
	return g
}

func (s *snapshot) close() {
	if s.file != nil {
		s.file.Close() // it was only read
		s.file = nil
	}
}

// sections are the whole frames, then the tail as one, then what is in memory.
func (s *snapshot) sections() []section {
	if s.found != nil {
		return s.found
	}
	all := sectionsOf(s.whole)
	if len(s.tail) > 0 {
		all = append(all, section{FirstLine: s.tailAt, Lines: s.inTail, Offset: s.rawAt, Bytes: s.inRaw})
	}
	for _, f := range s.memory {
		low, high := f.bounds()
		all = append(all, section{f.firstLine, int64(len(f.times)), f.offset, int64(len(f.text)), low, high, true})
	}
	s.found = all
	return all
}

func (s *snapshot) frames(_ context.Context, numbers []int) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		for _, n := range numbers {
			var goOn bool
			memory := n - len(s.sections()) + len(s.memory)
			switch {
			case n < len(s.whole):
				goOn = s.wholeFrame(n, yield)
			case memory < 0:
				goOn = s.tailFrames(yield)
			default:
				goOn = yield(s.memory[memory], nil)
			}
			if !goOn {
				return
			}
		}
	}
}

func (s *snapshot) wholeFrame(n int, yield func(piece, error) bool) bool {
	x := &s.whole[n]
	f, err := s.log.spool.codec.readFrame(s.file, x.Offset, x.size())
	if errors.Is(err, ErrDamaged) {
		return yield(piece{}, &DamageError{
			Instance: s.log.instance, Frame: n, AfterLine: x.FirstLine, Lines: x.Lines, From: x.Low, To: x.High, Err: err,
		})
	}
	if err != nil {
		yield(piece{}, fmt.Errorf("read spool of %s: %w", s.log.instance, err))
		return false
	}
	return yield(piece{f, x.RawOffset}, nil)
}

func (s *snapshot) tailFrames(yield func(piece, error) bool) bool {
	line, raw := s.tailAt, s.rawAt
	for b := s.tail; len(b) > 0; {
		f, h, err := s.log.spool.codec.decode(b)
		if err != nil {
			return yield(piece{}, &DamageError{
				Instance: s.log.instance, Frame: len(s.whole), AfterLine: line, Lines: s.tailAt + s.inTail - line, Err: err,
			})
		}
		if !yield(piece{f, raw}, nil) {
			return false
		}
		b = b[h.size+h.DataSize:]
		line, raw = line+h.Lines, raw+h.RawSize
	}
	return true
}
