package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

const (
	// frameTarget is the raw size at which a frame is closed. 256 KiB compresses within a few percent of far larger
	// frames, and is little enough to fetch for the sake of one line.
	frameTarget = 256 << 10
	// MaxLine is the longest line that is kept in one piece. A longer one is kept as several Partial lines of the same
	// time, so that no container can make the daemon hold more than this for a line.
	MaxLine = 1 << 20
	// maxFrameRaw bounds what a decoder allocates for a frame.
	maxFrameRaw = MaxLine + frameTarget
	// maxHead bounds what a decoder allocates for a frame's head: a frame of empty lines has the longest column.
	maxHead = 16 << 20
)

// The magic numbers of zstd's skippable frames. Any zstd decoder passes over them, so that the log object stays readable
// with plain tools.
const (
	magicHead      = 0x184D2A50 // ours: before each data frame
	magicIndex     = 0x184D2A51 // ours: after the last data frame
	magicSeekTable = 0x184D2A5E // of the zstd seekable format: the end of the object
	skippableSize  = 8          // magic and length
)

// ErrDamaged means that stored bytes are not what was written. The error around it names the place.
var ErrDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Flags of a line.
const (
	linePartial = 1 << iota // no newline follows the text
	lineNoTime              // the time is not known; the one before stands in for it
)

// frame is consecutive lines on their way into or out of storage. Not safe for concurrent use.
type frame struct {
	firstLine int64  // number of lines of the log before this frame
	text      []byte // the lines with their newlines, exactly as they were served
	times     []int64
	marks     []mark // the lines that are not plain, in order
	gaps      []Gap  // gaps that became known while this frame was open
}

// mark says what is special about one line of a frame.
type mark struct {
	line   int // index in the frame
	flags  byte
	length int // bytes of the line's text; needed where no newline ends it
}

// head is what stands before each frame's data: all that is needed to find, check and cut it.
type head struct {
	FirstLine int64
	Lines     int64
	RawSize   int64
	DataSize  int64 // bytes of the zstd frame that follows; 0: the frame holds gaps only
	DataCRC   uint32
	Low, High int64 // earliest and latest time in the frame, ns
	Gaps      []Gap
	marks     []mark
	column    []byte // compressed times
	size      int64  // bytes of the head itself, with its skippable header
}

func (f *frame) empty() bool { return len(f.times) == 0 && len(f.gaps) == 0 }

func (f *frame) reset(firstLine int64) {
	f.firstLine = firstLine
	f.text, f.times, f.marks, f.gaps = f.text[:0], f.times[:0], f.marks[:0], nil
}

// add takes a line. The text is copied.
func (f *frame) add(l Line) {
	var flags byte
	if l.Partial {
		flags |= linePartial
	}
	t := l.Time
	if t == 0 {
		flags |= lineNoTime
		if n := len(f.times); n > 0 {
			t = f.times[n-1]
		}
	}
	if flags != 0 {
		f.marks = append(f.marks, mark{line: len(f.times), flags: flags, length: len(l.Text)})
	}
	f.times = append(f.times, t)
	f.text = append(f.text, l.Text...)
	if !l.Partial {
		f.text = append(f.text, '\n')
	}
}

// lines gives the frame's lines in order until yield returns false. The texts point into the frame.
func (f *frame) lines(yield func(Line) bool) error {
	rest, marks := f.text, f.marks
	for i, t := range f.times {
		l := Line{Time: t}
		if len(marks) > 0 && marks[0].line == i {
			m := marks[0]
			marks = marks[1:]
			if l.Partial = m.flags&linePartial != 0; m.flags&lineNoTime != 0 {
				l.Time = 0
			}
			if l.Partial {
				if m.length > len(rest) {
					return fmt.Errorf("line %d is longer than its frame: %w", f.firstLine+int64(i), ErrDamaged)
				}
				l.Text, rest = rest[:m.length], rest[m.length:]
			}
		}
		if !l.Partial {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				return fmt.Errorf("line %d has no end: %w", f.firstLine+int64(i), ErrDamaged)
			}
			l.Text, rest = rest[:end], rest[end+1:]
		}
		if !yield(l) {
			return nil
		}
	}
	if len(rest) != 0 {
		return fmt.Errorf("%d bytes after the last line: %w", len(rest), ErrDamaged)
	}
	return nil
}

// bounds gives the earliest and the latest time of the frame's lines, 0 and 0 where it has none.
func (f *frame) bounds() (low, high int64) {
	if len(f.times) == 0 {
		return 0, 0
	}
	low, high = math.MaxInt64, math.MinInt64
	for _, t := range f.times {
		low, high = min(low, t), max(high, t)
	}
	return low, high
}

// encode appends head and data to dst and gives the longer slice and the head.
func (c *Codec) encode(dst []byte, f *frame) ([]byte, head, error) {
	low, high := f.bounds()
	h := head{
		FirstLine: f.firstLine, Lines: int64(len(f.times)), RawSize: int64(len(f.text)),
		Low: low, High: high, Gaps: f.gaps, marks: f.marks,
	}
	var data []byte
	if len(f.text) > 0 || len(f.times) > 0 {
		data = c.compress(f.text)
		defer c.release(data)
	}
	h.DataSize, h.DataCRC = int64(len(data)), crc32.Checksum(data, castagnoli)
	start := len(dst)
	dst, err := c.appendHead(dst, &h, f.times)
	if err != nil {
		return dst[:start], head{}, err
	}
	return append(dst, data...), h, nil
}

func (c *Codec) appendHead(dst []byte, h *head, times []int64) ([]byte, error) {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, magicHead)
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
	gaps, err := appendGaps(dst, h.Gaps)
	if err != nil {
		return dst, err
	}
	dst = c.appendColumn(gaps, h.Low, times)
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-skippableSize))
	binary.LittleEndian.PutUint32(dst[checked-4:], crc32.Checksum(dst[checked:], castagnoli))
	h.size = int64(len(dst) - start)
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
func appendGaps(dst []byte, gaps []Gap) ([]byte, error) {
	if len(gaps) == 0 {
		return binary.AppendUvarint(dst, 0), nil
	}
	text, err := json.Marshal(gaps)
	if err != nil {
		return dst, fmt.Errorf("encode gaps: %w", err)
	}
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...), nil
}

// appendColumn appends the times as differences, first to base and then to the one before: neighbours are near each
// other, so most differences are one to four bytes and repeat, which zstd then squeezes.
func (c *Codec) appendColumn(dst []byte, base int64, times []int64) []byte {
	raw := c.scratch()
	for _, t := range times {
		raw = binary.AppendVarint(raw, t-base)
		base = t
	}
	column := c.compress(raw)
	dst = append(dst, column...)
	c.release(raw)
	c.release(column)
	return dst
}
