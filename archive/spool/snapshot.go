package spool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// snapshot is what this process holds of an open log at one moment, from some line on. Reading it holds nobody up.
type snapshot struct {
	log    *Log
	file   *os.File // .log; nil: none of it is needed
	whole  []format.IndexFrame
	tail   []byte         // .tail, as it was
	memory []format.Piece // copies of the lines in memory, those of the wanted line on
	tailAt int64          // lines and bytes of text before .tail, and in it
	rawAt  int64
	inTail int64
	inRaw  int64
	Lines  int64 // of the log
	Bytes  int64
	Ended  bool // no line will follow
	found  []format.Section
}

// Snapshot returns what is held, at least from a position on: the number of lines before it and of bytes of their text.
// What is before it may be left out. Of a log that has left the spool it returns ErrGone.
func (l *Log) Snapshot(lines, raw int64) (*snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, archive.ErrGone
	}
	s := &snapshot{
		log: l, tailAt: l.lineEnd(), rawAt: l.rawEnd(), inRaw: l.tailRaw,
		Lines: l.stat.Lines, Bytes: l.stat.Bytes, Ended: l.ended,
	}
	if err := s.take(l, lines, raw); err != nil {
		s.Close()
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
		at += int64(len(h.frame.Text))
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
func (s *snapshot) remember(f *format.Frame, at, lines, raw int64) {
	end := f.FirstLine + int64(len(f.Times))
	if end <= lines {
		return
	}
	skip, from := lines-f.FirstLine, raw-at
	if skip <= 0 || from <= 0 || from > int64(len(f.Text)) {
		skip, from = 0, 0
	}
	s.memory = append(s.memory, format.Piece{Frame: f.Rest(int(skip), int(from)), Offset: at + from})
}

func (s *snapshot) Close() {
	if s.file != nil {
		s.file.Close() // it was only read
		s.file = nil
	}
}

// Sections are the whole frames, then the tail as one, then what is in memory.
func (s *snapshot) Sections() []format.Section {
	if s.found != nil {
		return s.found
	}
	all := format.SectionsOf(s.whole)
	if len(s.tail) > 0 {
		all = append(all, format.Section{FirstLine: s.tailAt, Lines: s.inTail, Offset: s.rawAt, Bytes: s.inRaw})
	}
	for _, f := range s.memory {
		low, high := f.Bounds()
		all = append(all, format.Section{
			FirstLine: f.FirstLine, Lines: int64(len(f.Times)), Offset: f.Offset, Bytes: int64(len(f.Text)), Low: low, High: high, Timed: true,
		})
	}
	s.found = all
	return all
}

func (s *snapshot) Frames(_ context.Context, numbers []int) iter.Seq2[format.Piece, error] {
	return func(yield func(format.Piece, error) bool) {
		for _, n := range numbers {
			var goOn bool
			memory := n - len(s.Sections()) + len(s.memory)
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

func (s *snapshot) wholeFrame(n int, yield func(format.Piece, error) bool) bool {
	x := &s.whole[n]
	f, err := s.log.spool.Codec.ReadFrame(s.file, x.Offset, x.Size())
	if errors.Is(err, archive.ErrDamaged) {
		return yield(format.Piece{}, &archive.DamageError{
			Instance: s.log.instance, Frame: n, AfterLine: x.FirstLine, Lines: x.Lines, From: x.Low, To: x.High, Err: err,
		})
	}
	if err != nil {
		yield(format.Piece{}, fmt.Errorf("read spool of %s: %w", s.log.instance, err))
		return false
	}
	return yield(format.Piece{Frame: f, Offset: x.RawOffset}, nil)
}

func (s *snapshot) tailFrames(yield func(format.Piece, error) bool) bool {
	line, raw := s.tailAt, s.rawAt
	for b := s.tail; len(b) > 0; {
		f, h, err := s.log.spool.Codec.Decode(b)
		if err != nil {
			return yield(format.Piece{}, &archive.DamageError{
				Instance: s.log.instance, Frame: len(s.whole), AfterLine: line, Lines: s.tailAt + s.inTail - line, Err: err,
			})
		}
		if !yield(format.Piece{Frame: f, Offset: raw}, nil) {
			return false
		}
		b = b[h.Size+h.DataSize:]
		line, raw = line+h.Lines, raw+h.RawSize
	}
	return true
}
