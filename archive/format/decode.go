package format

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/epilogue-dev/epilogue/archive"
)

// DecodeHead reads the head at the start of b, which may be longer. The head's slices point into b. Hostile bytes give
// ErrDamaged; what is allocated is bounded by the bytes that are there.
func DecodeHead(b []byte) (Head, error) {
	payload, err := skippable(b, MagicHead, MaxHead)
	if err != nil {
		return Head{}, err
	}
	if len(payload) < 9 || string(payload[:4]) != "EPLF" {
		return Head{}, fmt.Errorf("frame head without its name: %w", archive.ErrDamaged)
	}
	if v := payload[4]; v != 1 {
		return Head{}, fmt.Errorf("frame head of version %d, this program reads version 1: %w", v, archive.ErrDamaged)
	}
	if crc32.Checksum(payload[9:], castagnoli) != binary.LittleEndian.Uint32(payload[5:]) {
		return Head{}, fmt.Errorf("frame head's checksum differs: %w", archive.ErrDamaged)
	}
	d := &decoder{rest: payload[9:]}
	h := Head{Size: int64(SkippableSize + len(payload))}
	h.DataCRC = d.uint32()
	h.FirstLine, h.Lines, h.RawSize, h.DataSize = d.count(), d.count(), d.count(), d.count()
	h.Low, h.High = d.span(0)
	h.marks = d.marks(h.Lines)
	gaps := d.bytes(d.count())
	h.column = d.rest
	if d.err != nil {
		return Head{}, d.err
	}
	if len(gaps) > maxGapText {
		return Head{}, fmt.Errorf("gaps of %d bytes in a frame head: %w", len(gaps), archive.ErrDamaged)
	}
	if err := h.decodeGaps(gaps); err != nil {
		return Head{}, fmt.Errorf("gaps of frame head: %w: %w", err, archive.ErrDamaged)
	}
	return h, h.validate()
}

// decodeGaps takes a list, or a document of more than that.
func (h *Head) decodeGaps(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if text[0] == '[' {
		return json.Unmarshal(text, &h.Gaps)
	}
	var said happened
	err := json.Unmarshal(text, &said)
	h.Gaps, h.Rotations = said.Gaps, said.Rotations
	return err
}

// validate is called on what was read; encode cannot make a head that it refuses.
func (h *Head) validate() error {
	switch {
	case h.RawSize > MaxFrameRaw, h.DataSize > MaxFrameData:
		return fmt.Errorf("frame of %d raw and %d stored bytes is larger than any frame: %w", h.RawSize, h.DataSize, archive.ErrDamaged)
	case h.Rotations < 0, h.Rotations > MaxFrameRaw:
		return fmt.Errorf("frame with %d rotations: %w", h.Rotations, archive.ErrDamaged)
	case h.Lines > MaxFrameRaw:
		return fmt.Errorf("frame of %d lines is larger than any frame: %w", h.Lines, archive.ErrDamaged)
	case (h.Lines > 0) != (h.DataSize > 0):
		return fmt.Errorf("frame of %d lines with %d bytes of data: %w", h.Lines, h.DataSize, archive.ErrDamaged)
	}
	return nil
}

// Decode reads a whole frame, head and data, from the start of b. Slices of the frame may point into b.
func (c *Codec) Decode(b []byte) (*Frame, Head, error) {
	h, err := DecodeHead(b)
	if err != nil {
		return nil, Head{}, err
	}
	if int64(len(b))-h.Size < h.DataSize {
		return nil, Head{}, fmt.Errorf("frame at line %d is cut: %w", h.FirstLine, archive.ErrDamaged)
	}
	f, err := c.DecodeData(&h, b[h.Size:h.Size+h.DataSize])
	return f, h, err
}

// DecodeData decodes the data that belongs to a head: its checksum, its text and its times must be what the head says,
// else the error is ErrDamaged and names the first line. The frame's text is its own, its gaps are the head's.
func (c *Codec) DecodeData(h *Head, data []byte) (*Frame, error) {
	f := &Frame{FirstLine: h.FirstLine, Marks: h.marks, Gaps: h.Gaps, Rotations: h.Rotations}
	if h.DataSize == 0 {
		return f, nil
	}
	if crc32.Checksum(data, castagnoli) != h.DataCRC {
		return nil, fmt.Errorf("frame at line %d: its checksum differs: %w", h.FirstLine, archive.ErrDamaged)
	}
	text, err := c.decompress(data, h.RawSize)
	if err != nil {
		return nil, fmt.Errorf("frame at line %d: %w", h.FirstLine, err)
	}
	if int64(len(text)) != h.RawSize {
		return nil, fmt.Errorf("frame at line %d has %d bytes, its head says %d: %w", h.FirstLine, len(text), h.RawSize, archive.ErrDamaged)
	}
	f.Text = text
	if f.Times, err = c.decodeColumn(h.column, h.Low, h.Lines); err != nil {
		return nil, fmt.Errorf("times of frame at line %d: %w", h.FirstLine, err)
	}
	return f, nil
}

// skippable returns the payload of the skippable frame at the start of b.
func skippable(b []byte, magic uint32, limit int64) ([]byte, error) {
	if len(b) < SkippableSize {
		return nil, fmt.Errorf("%d bytes where a frame should start: %w", len(b), archive.ErrDamaged)
	}
	if got := binary.LittleEndian.Uint32(b); got != magic {
		return nil, fmt.Errorf("magic number %#x where %#x should be: %w", got, magic, archive.ErrDamaged)
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n > limit || n > int64(len(b)-SkippableSize) {
		return nil, fmt.Errorf("frame of %d bytes in %d: %w", n, len(b), archive.ErrDamaged)
	}
	return b[SkippableSize : SkippableSize+n], nil
}

// decoder takes numbers from the front of rest. After the first fault it gives zeros and keeps the error.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s is cut or too large: %w", what, archive.ErrDamaged)
	}
	d.rest = nil
}

func (d *decoder) bytes(n int64) []byte {
	if n < 0 || n > int64(len(d.rest)) {
		d.fail("field")
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uint32() uint32 {
	b := d.bytes(4)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail("number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count is a number that cannot be negative and fits the bounds of everything that is counted here.
func (d *decoder) count() int64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > 1<<62 {
		d.fail("number")
		return 0
	}
	d.rest = d.rest[n:]
	return int64(v)
}

// span is the distance of a low time from base, and of a high one from the low. Both may be as far as int64 goes.
func (d *decoder) span(base int64) (low, high int64) {
	low = base + d.varint()
	v, n := binary.Uvarint(d.rest)
	if high = low + int64(v); n <= 0 || high < low {
		d.fail("span of times")
		return 0, 0
	}
	d.rest = d.rest[n:]
	return low, high
}

// marks reads the marks of a frame of so many lines: in order, each line at most once.
func (d *decoder) marks(lines int64) []mark {
	const shortest = 3 // bytes of a mark
	n := d.count()
	if n == 0 {
		return nil
	}
	if n > lines || n > int64(len(d.rest))/shortest {
		d.fail("list of marks")
		return nil
	}
	marks := make([]mark, n)
	line := int64(0)
	for i := range marks {
		step := d.count()
		flags := d.bytes(1)
		length := d.count()
		line += step
		if d.err == nil && (i > 0 && step == 0 || line >= lines || length > archive.MaxLine || flags[0]&^(linePartial|lineNoTime) != 0) {
			d.fail("mark")
		}
		if d.err != nil {
			return nil
		}
		marks[i] = mark{line: int(line), flags: flags[0], length: int(length)}
	}
	return marks
}

// Scan reads and checks the frame at offset at of a file. ErrDamaged: there is no whole frame.
func (c *Codec) Scan(r io.ReaderAt, at, size int64) (*Frame, Head, error) {
	fixed := make([]byte, SkippableSize)
	if at+SkippableSize > size {
		return nil, Head{}, archive.ErrDamaged
	}
	if _, err := r.ReadAt(fixed, at); err != nil {
		return nil, Head{}, err
	}
	n := SkippableSize + int64(binary.LittleEndian.Uint32(fixed[4:]))
	if n > MaxHead || at+n > size {
		return nil, Head{}, archive.ErrDamaged
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, at); err != nil {
		return nil, Head{}, err
	}
	h, err := DecodeHead(b)
	if err != nil {
		return nil, Head{}, err
	}
	if at+n+h.DataSize > size {
		return nil, Head{}, archive.ErrDamaged
	}
	data := make([]byte, h.DataSize)
	if _, err := r.ReadAt(data, at+n); err != nil {
		return nil, Head{}, err
	}
	f, err := c.DecodeData(&h, data)
	return f, h, err
}

// NoEOF turns an end of bytes that came too early into an error (io.ErrUnexpectedEOF), so that nobody takes it for the
// end of a log. Any other error, and nil, stays as it is.
func NoEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ErrRead means that the store, not the disk, failed.
var ErrRead = errors.New("read frame")

// CheckFrame returns the head of a frame whose bytes are what was written. ErrDamaged: they are not.
func CheckFrame(b []byte) (Head, error) {
	h, err := DecodeHead(b)
	if err == nil && crc32.Checksum(b[h.Size:], castagnoli) != h.DataCRC {
		err = fmt.Errorf("frame at line %d: its checksum differs: %w", h.FirstLine, archive.ErrDamaged)
	}
	return h, err
}
