package archive

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// decodeHead reads the head at the start of b, which may be longer. The head's slices point into b. Hostile bytes give
// ErrDamaged; what is allocated is bounded by the bytes that are there.
func decodeHead(b []byte) (head, error) {
	payload, err := skippable(b, magicHead, maxHead)
	if err != nil {
		return head{}, err
	}
	if len(payload) < 9 || string(payload[:4]) != "EPLF" {
		return head{}, fmt.Errorf("frame head without its name: %w", ErrDamaged)
	}
	if v := payload[4]; v != 1 {
		return head{}, fmt.Errorf("frame head of version %d, this program reads version 1: %w", v, ErrDamaged)
	}
	if crc32.Checksum(payload[9:], castagnoli) != binary.LittleEndian.Uint32(payload[5:]) {
		return head{}, fmt.Errorf("frame head's checksum differs: %w", ErrDamaged)
	}
	d := &decoder{rest: payload[9:]}
	h := head{size: int64(skippableSize + len(payload))}
	h.DataCRC = d.uint32()
	h.FirstLine, h.Lines, h.RawSize, h.DataSize = d.count(), d.count(), d.count(), d.count()
	h.Low, h.High = d.span(0)
	h.marks = d.marks(h.Lines)
	gaps := d.bytes(d.count())
	h.column = d.rest
	if d.err != nil {
		return head{}, d.err
	}
	if len(gaps) > maxGapText {
		return head{}, fmt.Errorf("gaps of %d bytes in a frame head: %w", len(gaps), ErrDamaged)
	}
	if err := h.decodeGaps(gaps); err != nil {
		return head{}, fmt.Errorf("gaps of frame head: %w: %w", err, ErrDamaged)
	}
	return h, h.validate()
}

// decodeGaps takes a list, or a document of more than that.
func (h *head) decodeGaps(text []byte) error {
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
func (h *head) validate() error {
	switch {
	case h.RawSize > maxFrameRaw, h.DataSize > maxFrameData:
		return fmt.Errorf("frame of %d raw and %d stored bytes is larger than any frame: %w", h.RawSize, h.DataSize, ErrDamaged)
	case h.Rotations < 0, h.Rotations > maxFrameRaw:
		return fmt.Errorf("frame with %d rotations: %w", h.Rotations, ErrDamaged)
	case h.Lines > maxFrameRaw:
		return fmt.Errorf("frame of %d lines is larger than any frame: %w", h.Lines, ErrDamaged)
	case (h.Lines > 0) != (h.DataSize > 0):
		return fmt.Errorf("frame of %d lines with %d bytes of data: %w", h.Lines, h.DataSize, ErrDamaged)
	}
	return nil
}

// decode reads a whole frame, head and data, from the start of b. Slices of the frame may point into b.
func (c *Codec) decode(b []byte) (*frame, head, error) {
	h, err := decodeHead(b)
	if err != nil {
		return nil, head{}, err
	}
	if int64(len(b))-h.size < h.DataSize {
		return nil, head{}, fmt.Errorf("frame at line %d is cut: %w", h.FirstLine, ErrDamaged)
	}
	f, err := c.decodeData(&h, b[h.size:h.size+h.DataSize])
	return f, h, err
}

func (c *Codec) decodeData(h *head, data []byte) (*frame, error) {
	f := &frame{firstLine: h.FirstLine, marks: h.marks, gaps: h.Gaps, rotations: h.Rotations}
	if h.DataSize == 0 {
		return f, nil
	}
	if crc32.Checksum(data, castagnoli) != h.DataCRC {
		return nil, fmt.Errorf("frame at line %d: its checksum differs: %w", h.FirstLine, ErrDamaged)
	}
	text, err := c.decompress(data, h.RawSize)
	if err != nil {
		return nil, fmt.Errorf("frame at line %d: %w", h.FirstLine, err)
	}
	if int64(len(text)) != h.RawSize {
		return nil, fmt.Errorf("frame at line %d has %d bytes, its head says %d: %w", h.FirstLine, len(text), h.RawSize, ErrDamaged)
	}
	f.text = text
	if f.times, err = c.decodeColumn(h.column, h.Low, h.Lines); err != nil {
		return nil, fmt.Errorf("times of frame at line %d: %w", h.FirstLine, err)
	}
	return f, nil
}

// skippable gives the payload of the skippable frame at the start of b.
func skippable(b []byte, magic uint32, limit int64) ([]byte, error) {
	if len(b) < skippableSize {
		return nil, fmt.Errorf("%d bytes where a frame should start: %w", len(b), ErrDamaged)
	}
	if got := binary.LittleEndian.Uint32(b); got != magic {
		return nil, fmt.Errorf("magic number %#x where %#x should be: %w", got, magic, ErrDamaged)
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n > limit || n > int64(len(b)-skippableSize) {
		return nil, fmt.Errorf("frame of %d bytes in %d: %w", n, len(b), ErrDamaged)
	}
	return b[skippableSize : skippableSize+n], nil
}

// decoder takes numbers from the front of rest. After the first fault it gives zeros and keeps the error.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s is cut or too large: %w", what, ErrDamaged)
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
		if d.err == nil && (i > 0 && step == 0 || line >= lines || length > MaxLine || flags[0]&^(linePartial|lineNoTime) != 0) {
			d.fail("mark")
		}
		if d.err != nil {
			return nil
		}
		marks[i] = mark{line: int(line), flags: flags[0], length: int(length)}
	}
	return marks
}
