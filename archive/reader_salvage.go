package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// salvage is a log object whose index cannot be read. Its frames say themselves what they hold, so they are read from the
// first one on; where one is damaged the next one is searched for.
type salvage struct {
	reader   *Reader
	instance *Instance
	key      Key
	lines    int64 // as the record says
	index    error // what is wrong with the index
}

// salvage is one section: only reading tells more.
func (o *salvage) sections() []section { return []section{{Lines: -1, Offset: -1}} }

func (o *salvage) close() {}

func (o *salvage) frames(ctx context.Context, _ []int) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		if !yield(piece{}, &DamageError{Instance: *o.instance, Key: o.key, Frame: -1, Err: o.index}) {
			return
		}
		body, object, err := open(ctx, o.reader.cfg.Store, o.key, Range{})
		if err != nil {
			yield(piece{}, fmt.Errorf("read %s: %w", o.key, err))
			return
		}
		defer body.Close()
		s := &salvaging{salvage: o, in: body, left: object.Size, yield: yield}
		if err := s.run(); err != nil && !errors.Is(err, errEnough) {
			yield(piece{}, fmt.Errorf("read %s: %w", o.key, err))
		}
	}
}

// salvaging is one pass over the object.
type salvaging struct {
	*salvage
	in      io.Reader
	left    int64  // bytes of the object that were not read
	b       []byte // those that were read and are not done with
	frame   int
	line    int64 // lines of the frames so far
	offset  int64 // of the text that comes next; -1: not known
	damaged error // what is wrong with the bytes before; nil: nothing
	yield   func(piece, error) bool
}

func (s *salvaging) run() error {
	for {
		if err := s.need(skippableSize); err != nil {
			return err
		}
		if len(s.b) < skippableSize || s.atIndex() {
			return s.end()
		}
		f, h, size, err := s.next()
		if errors.Is(err, ErrDamaged) {
			if s.damaged == nil {
				s.damaged = err
			}
			s.search()
			continue
		}
		if err != nil {
			return err
		}
		if err := s.hole(h.FirstLine); err != nil {
			return err
		}
		if !s.yield(piece{f, s.offset}, nil) {
			return errEnough
		}
		if s.frame++; s.offset >= 0 {
			s.offset += h.RawSize
		}
		s.line, s.b = h.FirstLine+h.Lines, s.b[size:]
	}
}

// need has at least n bytes in b, or all that there are.
func (s *salvaging) need(n int64) error {
	more := min(max(n-int64(len(s.b)), 0), s.left)
	if more == 0 {
		return nil
	}
	more = min(max(more, smallestGet), s.left)
	kept := make([]byte, len(s.b), int64(len(s.b))+more)
	copy(kept, s.b)
	read, err := io.ReadFull(s.in, kept[len(kept):cap(kept)])
	s.b, s.left = kept[:len(kept)+read], s.left-int64(read)
	if err != nil {
		return noEOF(err)
	}
	return nil
}

func (s *salvaging) atIndex() bool {
	return s.damaged == nil && binary.LittleEndian.Uint32(s.b) == magicIndex
}

// next decodes the frame that b starts with.
func (s *salvaging) next() (f *frame, h head, size int64, err error) {
	if magic := binary.LittleEndian.Uint32(s.b); magic != magicHead {
		return nil, h, 0, fmt.Errorf("magic number %#x where %#x should be: %w", magic, magicHead, ErrDamaged)
	}
	size = skippableSize + int64(binary.LittleEndian.Uint32(s.b[4:]))
	if size > maxHead {
		return nil, h, 0, fmt.Errorf("frame head of %d bytes: %w", size, ErrDamaged)
	}
	if err := s.need(size); err != nil {
		return nil, h, 0, err
	}
	if h, err = decodeHead(s.b); err != nil {
		return nil, h, 0, err
	}
	size += h.DataSize
	if err := s.need(size); err != nil {
		return nil, h, 0, err
	}
	f, h, err = s.reader.cfg.Codec.decode(s.b)
	return f, h, size, err
}

// search passes over bytes up to where a frame may start.
func (s *salvaging) search() {
	name := binary.LittleEndian.AppendUint32(nil, magicHead)
	if n := bytes.Index(s.b[1:], name); n >= 0 {
		s.b = s.b[1+n:]
		return
	}
	s.b = s.b[max(1, len(s.b)-len(name)+1):] // the start of a name may be at the end
}

// hole tells of the lines before a frame that could not be read.
func (s *salvaging) hole(first int64) error {
	if s.damaged == nil && first == s.line {
		return nil
	}
	if s.damaged == nil {
		s.damaged = fmt.Errorf("lines are missing: %w", ErrDamaged)
	}
	err := &DamageError{
		Instance: *s.instance, Key: s.key, Frame: s.frame, AfterLine: s.line, Lines: max(0, first-s.line), Err: s.damaged,
	}
	s.damaged, s.offset = nil, -1
	s.frame++
	if !s.yield(piece{}, err) {
		return errEnough
	}
	return nil
}

// end tells of what is missing at the end.
func (s *salvaging) end() error {
	if s.line >= s.lines {
		return nil
	}
	return s.hole(max(s.line, s.lines))
}
