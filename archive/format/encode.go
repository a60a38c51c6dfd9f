package format

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/epilogue-dev/epilogue/archive"
)

// Encode appends head and data to dst and returns the longer slice and the head.
func (c *Codec) Encode(dst []byte, f *Frame) ([]byte, Head, error) {
	low, high := f.Bounds()
	h := Head{
		FirstLine: f.FirstLine, Lines: int64(len(f.Times)), RawSize: int64(len(f.Text)),
		Low: low, High: high, Gaps: f.Gaps, Rotations: f.Rotations, marks: f.Marks,
	}
	var data []byte
	if len(f.Text) > 0 || len(f.Times) > 0 {
		data = c.compress(f.Text)
		defer c.Release(data)
	}
	h.DataSize, h.DataCRC = int64(len(data)), crc32.Checksum(data, castagnoli)
	start := len(dst)
	dst, err := c.AppendHead(dst, &h, f.Times)
	if err != nil {
		return dst[:start], Head{}, err
	}
	return append(dst, data...), h, nil
}

// AppendHead appends a frame's head as it is stored, with the times of its lines compressed in it, and sets its Size.
// The other fields must be those of the data already. After an error dst may have part of a head behind it.
func (c *Codec) AppendHead(dst []byte, h *Head, times []int64) ([]byte, error) {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, MagicHead)
	dst = append(dst, 0, 0, 0, 0)            // length, filled in below
	dst = append(dst, 'E', 'P', 'L', 'F', 1) // name and version
	dst = append(dst, 0, 0, 0, 0)            // checksum of what follows, filled in below
	checked := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, h.DataCRC)
	for _, v := range []int64{h.FirstLine, h.Lines, h.RawSize, h.DataSize} {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	dst = binary.AppendVarint(dst, h.Low)
	dst = binary.AppendUvarint(dst, uint64(h.High-h.Low))
	dst = appendMarks(dst, h.marks)
	gaps, err := appendGaps(dst, h)
	if err != nil {
		return dst, err
	}
	dst = c.appendColumn(gaps, h.Low, times)
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-SkippableSize))
	binary.LittleEndian.PutUint32(dst[checked-4:], crc32.Checksum(dst[checked:], castagnoli))
	h.Size = int64(len(dst) - start)
	return dst, nil
}

func appendMarks(dst []byte, marks []mark) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(marks)))
	last := 0
	for _, m := range marks {
		dst = binary.AppendUvarint(dst, uint64(m.line-last))
		dst = append(dst, m.flags)
		dst = binary.AppendUvarint(dst, uint64(m.length))
		last = m.line
	}
	return dst
}

// Gaps are rare and must be readable by those who come later, so they are JSON.
func appendGaps(dst []byte, h *Head) ([]byte, error) {
	var said any = h.Gaps
	switch {
	case h.Rotations > 0:
		said = happened{h.Gaps, h.Rotations}
	case len(h.Gaps) == 0:
		return binary.AppendUvarint(dst, 0), nil
	}
	text, err := json.Marshal(said)
	if err != nil {
		return dst, fmt.Errorf("encode gaps: %w", err)
	}
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...), nil
}

// happened is what a head says where there is more to say than gaps.
type happened struct {
	Gaps      []archive.Gap `json:"gaps,omitempty"`
	Rotations int64         `json:"rotations"`
}
