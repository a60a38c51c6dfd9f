package read

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// salvage is a log object whose index cannot be read. Its frames say themselves what they hold, so they are read from
// the first one on; where one is damaged the next one is searched for.
type salvage struct {
	reader   *Reader
	instance *archive.Instance
	key      archive.Key
	lines    int64 // as the record says
	index    error // what is wrong with the index
}

// salvage is one section: only reading tells more.
func (o *salvage) Sections() []format.Section { return []format.Section{{Lines: -1, Offset: -1}} }

func (o *salvage) Close() {}

func (o *salvage) Frames(ctx context.Context, _ []int) iter.Seq2[format.Piece, error] {
	return func(yield func(format.Piece, error) bool) {
		if !yield(format.Piece{}, &archive.DamageError{Instance: *o.instance, Key: o.key, Frame: -1, Err: o.index}) {
			return
		}
		body, object, err := format.Open(ctx, o.reader.Cfg.Store, o.key, archive.Range{})
		if err != nil {
			yield(format.Piece{}, fmt.Errorf("read %s: %w", o.key, err))
			return
		}
		defer body.Close()
		s := &salvaging{salvage: o, in: body, left: object.Size, yield: yield}
		if err := s.run(); err != nil && !errors.Is(err, errEnough) {
			yield(format.Piece{}, fmt.Errorf("read %s: %w", o.key, err))
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
	yield   func(format.Piece, error) bool
}

func (s *salvaging) run() error {
	for {
		if err := s.need(format.SkippableSize); err != nil {
			return err
		}
		if len(s.b) < format.SkippableSize || s.atIndex() {
			return s.end()
		}
		f, h, size, err := s.next()
		if errors.Is(err, archive.ErrDamaged) {
			if s.damaged == nil {
				s.damaged = err
			}
			s.search()
			continue
		}
		if err != nil {
			return err
		}
		if h.Lines == 0 { // only gaps, which the manifest has, and perhaps not in its place
			s.frame, s.b = s.frame+1, s.b[size:]
			continue
		}
		if err := s.hole(h.FirstLine); err != nil {
			return err
		}
		if !s.yield(format.Piece{Frame: f, Offset: s.offset}, nil) {
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
	more = min(max(more, format.SmallestGet), s.left)
	kept := make([]byte, len(s.b), int64(len(s.b))+more)
	copy(kept, s.b)
	read, err := io.ReadFull(s.in, kept[len(kept):cap(kept)])
	s.b, s.left = kept[:len(kept)+read], s.left-int64(read)
	if err != nil {
		return format.NoEOF(err)
	}
	return nil
}

func (s *salvaging) atIndex() bool {
	return s.damaged == nil && binary.LittleEndian.Uint32(s.b) == format.MagicIndex
}

// next decodes the frame that b starts with. What comes first says in which order head and data lie.
func (s *salvaging) next() (f *format.Frame, h format.Head, size int64, err error) {
	if binary.LittleEndian.Uint32(s.b) == format.MagicData {
		before, err := s.dataSize()
		if err != nil {
			return nil, h, 0, err
		}
		h, size, err := s.head(before)
		if err == nil && h.DataSize != before {
			err = fmt.Errorf("data of %d bytes before the head of %d: %w", before, h.DataSize, archive.ErrDamaged)
		}
		if err != nil {
			return nil, h, 0, err
		}
		f, err = s.reader.Cfg.Codec.DecodeData(&h, s.b[:before])
		return f, h, size, err
	}
	if h, size, err = s.head(0); err != nil {
		return nil, h, 0, err
	}
	size += h.DataSize
	if err := s.need(size); err != nil {
		return nil, h, 0, err
	}
	f, h, err = s.reader.Cfg.Codec.Decode(s.b)
	return f, h, size, err
}

// head decodes the head that stands behind so many bytes of b, and gives where it ends.
func (s *salvaging) head(at int64) (h format.Head, end int64, err error) {
	if err := s.need(at + format.SkippableSize); err != nil {
		return h, 0, err
	}
	if int64(len(s.b)) < at+format.SkippableSize {
		return h, 0, fmt.Errorf("no head behind the data: %w", archive.ErrDamaged)
	}
	if magic := binary.LittleEndian.Uint32(s.b[at:]); magic != format.MagicHead {
		return h, 0, fmt.Errorf("magic number %#x where %#x should be: %w", magic, format.MagicHead, archive.ErrDamaged)
	}
	size := format.SkippableSize + int64(binary.LittleEndian.Uint32(s.b[at+4:]))
	if size > format.MaxHead {
		return h, 0, fmt.Errorf("frame head of %d bytes: %w", size, archive.ErrDamaged)
	}
	if err := s.need(at + size); err != nil {
		return h, 0, err
	}
	h, err = format.DecodeHead(s.b[at:])
	return h, at + size, err
}

// dataSize goes from block to block of the zstd frame that b starts with, for only its end says how long it is.
func (s *salvaging) dataSize() (int64, error) {
	const blockHeader, checksum = 3, 4
	if err := s.need(zstd.HeaderMaxSize); err != nil {
		return 0, err
	}
	var h zstd.Header
	if err := h.Decode(s.b); err != nil || h.WindowSize > format.MaxFrameRaw {
		return 0, fmt.Errorf("zstd header: %w", archive.ErrDamaged)
	}
	at := int64(h.HeaderSize)
	for last := false; !last; {
		if err := s.need(at + blockHeader); err != nil {
			return 0, err
		}
		if int64(len(s.b)) < at+blockHeader || at > format.MaxFrameData {
			return 0, fmt.Errorf("zstd frame without an end: %w", archive.ErrDamaged)
		}
		block := int64(s.b[at]) | int64(s.b[at+1])<<8 | int64(s.b[at+2])<<16
		size := block >> 3
		if repeated := block>>1&3 == 1; repeated {
			size = 1
		}
		last = block&1 != 0
		at += blockHeader + size
	}
	if h.HasCheckSum {
		at += checksum
	}
	return at, s.need(at)
}

// search passes over bytes up to where a frame may start.
func (s *salvaging) search() {
	found := -1
	for _, magic := range []uint32{format.MagicHead, format.MagicData} {
		if n := bytes.Index(s.b[1:], binary.LittleEndian.AppendUint32(nil, magic)); n >= 0 && (found < 0 || n < found) {
			found = n
		}
	}
	if found < 0 {
		const magicSize = 4
		found = max(0, len(s.b)-magicSize) // the start of a magic number may be at the end
	}
	s.b = s.b[1+found:]
}

// hole tells of the lines before a frame that could not be read.
func (s *salvaging) hole(first int64) error {
	if s.damaged == nil && first == s.line {
		return nil
	}
	if s.damaged == nil {
		s.damaged = fmt.Errorf("lines are missing: %w", archive.ErrDamaged)
	}
	err := &archive.DamageError{
		Instance: *s.instance, Key: s.key, Frame: s.frame, AfterLine: s.line, Lines: max(0, first-s.line), Err: s.damaged,
	}
	s.damaged, s.offset = nil, -1
	s.frame++
	if !s.yield(format.Piece{}, err) {
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
