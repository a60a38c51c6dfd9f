package archive

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
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
	// maxFrameData bounds the same text as it is stored.
	maxFrameData = maxFrameRaw + maxFrameRaw/8 + 1024
	// maxHead bounds what a decoder allocates for a frame's head: a frame of empty lines has the longest column.
	maxHead = 16 << 20
	// maxGapText bounds the JSON of the gaps in one head: maxGaps of them, each byte of a detail escaped.
	maxGapText = 2 << 20
)

// The magic numbers of zstd's skippable frames. Any zstd decoder passes over them, so that the log object stays readable
// with plain tools.
const (
	magicHead      = 0x184D2A50 // ours: beside each data frame
	magicIndex     = 0x184D2A51 // ours: after the last frame
	magicSeekTable = 0x184D2A5E // of the zstd seekable format: the end of the object
	skippableSize  = 8          // magic and length
	magicData      = 0xFD2FB528 // of a zstd frame that has content
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
	rotations int64  // as often was the log seen to have been rotated meanwhile
}

// mark says what is special about one line of a frame.
type mark struct {
	line   int // index in the frame
	flags  byte
	length int // bytes of the line's text; needed where no newline ends it
}

// head is what stands beside each frame's data: all that is needed to find, check and cut it. In the spool and in journals it comes
// first, so that whoever reads on knows what follows, and a torn write shows at once; in log objects last, see stored.
type head struct {
	FirstLine int64
	Lines     int64
	RawSize   int64
	DataSize  int64 // bytes of the zstd frame; 0: the frame holds gaps only
	DataCRC   uint32
	Low, High int64 // earliest and latest time in the frame, ns; 0 where no line has one
	Gaps      []Gap
	Rotations int64
	marks     []mark
	column    []byte // compressed times
	size      int64  // bytes of the head itself, with its skippable header
}

// empty: there is nothing that must be kept. Rotations are, with the next lines.
func (f *frame) empty() bool { return len(f.times) == 0 && len(f.gaps) == 0 }

func (f *frame) reset(firstLine int64) {
	f.firstLine, f.rotations = firstLine, 0
	f.text, f.times, f.marks, f.gaps = f.text[:0], f.times[:0], f.marks[:0], nil
}

// add takes a line. The text is copied.
func (f *frame) add(l *Line) {
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

// bounds gives the earliest and the latest time of the frame's lines, 0 and 0 where none has a time.
func (f *frame) bounds() (low, high int64) {
	for _, t := range f.times {
		if t == 0 { // no line before had a time either
			continue
		}
		if low == 0 || t < low {
			low = t
		}
		if high == 0 || t > high {
			high = t
		}
	}
	return low, high
}

// append adds the lines and gaps of another frame.
func (f *frame) append(g *frame) error {
	for _, gap := range g.gaps {
		f.gaps = appendGap(f.gaps, gap)
	}
	f.rotations += g.rotations
	return g.lines(func(line Line) bool {
		f.add(&line)
		return true
	})
}

// clone gives a frame of its own memory.
func (f *frame) clone() *frame {
	return &frame{
		firstLine: f.firstLine, text: bytes.Clone(f.text), times: slices.Clone(f.times), marks: slices.Clone(f.marks),
		gaps: f.gaps, rotations: f.rotations,
	}
}

// memory is about how many bytes the frame's lines take.
func (f *frame) memory() int64 {
	const timeSize, markSize = 8, 24
	return int64(len(f.text) + len(f.times)*timeSize + len(f.marks)*markSize)
}
