package format

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

const (
	// FrameTarget is the raw size at which a frame is closed. 256 KiB compresses within a few percent of far larger
	// frames, and is little enough to fetch for the sake of one line.
	FrameTarget = 256 << 10

	// MaxFrameRaw bounds what a decoder allocates for a frame.
	MaxFrameRaw = archive.MaxLine + FrameTarget
	// MaxFrameData bounds the same text as it is stored.
	MaxFrameData = MaxFrameRaw + MaxFrameRaw/8 + 1024
	// MaxHead bounds what a decoder allocates for a frame's head: a frame of empty lines has the longest column.
	MaxHead = 16 << 20
	// maxGapText bounds the JSON of the gaps in one head: MaxGaps of them, each byte of a detail escaped.
	maxGapText = 2 << 20
)

// The magic numbers of zstd's skippable frames. Any zstd decoder passes over them, so that the log object stays
// readable with plain tools.
const (
	MagicHead      = 0x184D2A50 // ours: beside each data frame
	MagicIndex     = 0x184D2A51 // ours: after the last frame
	magicSeekTable = 0x184D2A5E // of the zstd seekable format: the end of the object
	SkippableSize  = 8          // magic and length
	MagicData      = 0xFD2FB528 // of a zstd frame that has content
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Flags of a line.
const (
	linePartial = 1 << iota // no newline follows the text
	lineNoTime              // the time is not known; the one before stands in for it
)

// Frame is consecutive lines on their way into or out of storage. Not safe for concurrent use.
type Frame struct {
	FirstLine int64  // number of lines of the log before this frame
	Text      []byte // the lines with their newlines, exactly as they were served
	Times     []int64
	Marks     []mark        // the lines that are not plain, in order
	Gaps      []archive.Gap // gaps that became known while this frame was open
	Rotations int64         // as often was the log seen to have been rotated meanwhile
}

// mark says what is special about one line of a frame.
type mark struct {
	line   int // index in the frame
	flags  byte
	length int // bytes of the line's text; needed where no newline ends it
}

// Head is what stands beside each frame's data: all that is needed to find, check and cut it. In the spool and in
// journals it comes first, so that whoever reads on knows what follows, and a torn write shows at once; in log objects
// last, see stored.
type Head struct {
	FirstLine int64
	Lines     int64
	RawSize   int64
	DataSize  int64 // bytes of the zstd frame; 0: the frame holds gaps only
	DataCRC   uint32
	Low, High int64 // earliest and latest time in the frame, ns; 0 where no line has one
	Gaps      []archive.Gap
	Rotations int64
	marks     []mark
	column    []byte // compressed times
	Size      int64  // bytes of the head itself, with its skippable header
}

// Empty reports whether there is nothing that must be kept: no line and no gap. Rotations alone are kept with the next
// lines.
func (f *Frame) Empty() bool { return len(f.Times) == 0 && len(f.Gaps) == 0 }

// Reset empties the frame for the lines from firstLine on. Its memory is used again: lines that point into it are
// no longer good.
func (f *Frame) Reset(firstLine int64) {
	f.FirstLine, f.Rotations = firstLine, 0
	f.Text, f.Times, f.Marks, f.Gaps = f.Text[:0], f.Times[:0], f.Marks[:0], nil
}

// Add takes a line. The text is copied.
func (f *Frame) Add(l *archive.Line) {
	var flags byte
	if l.Partial {
		flags |= linePartial
	}
	t := l.Time
	if t == 0 {
		flags |= lineNoTime
		if n := len(f.Times); n > 0 {
			t = f.Times[n-1]
		}
	}
	if flags != 0 {
		f.Marks = append(f.Marks, mark{line: len(f.Times), flags: flags, length: len(l.Text)})
	}
	f.Times = append(f.Times, t)
	f.Text = append(f.Text, l.Text...)
	if !l.Partial {
		f.Text = append(f.Text, '\n')
	}
}

// Lines returns the frame's lines in order until yield returns false. The texts point into the frame.
func (f *Frame) Lines(yield func(archive.Line) bool) error {
	rest, marks := f.Text, f.Marks
	for i, t := range f.Times {
		l := archive.Line{Time: t}
		if len(marks) > 0 && marks[0].line == i {
			m := marks[0]
			marks = marks[1:]
			if l.Partial = m.flags&linePartial != 0; m.flags&lineNoTime != 0 {
				l.Time = 0
			}
			if l.Partial {
				if m.length > len(rest) {
					return fmt.Errorf("line %d is longer than its frame: %w", f.FirstLine+int64(i), archive.ErrDamaged)
				}
				l.Text, rest = rest[:m.length], rest[m.length:]
			}
		}
		if !l.Partial {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				return fmt.Errorf("line %d has no end: %w", f.FirstLine+int64(i), archive.ErrDamaged)
			}
			l.Text, rest = rest[:end], rest[end+1:]
		}
		if !yield(l) {
			return nil
		}
	}
	if len(rest) != 0 {
		return fmt.Errorf("%d bytes after the last line: %w", len(rest), archive.ErrDamaged)
	}
	return nil
}

// Bounds returns the earliest and the latest time of the frame's lines, 0 and 0 where none has a time.
func (f *Frame) Bounds() (low, high int64) {
	for _, t := range f.Times {
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

// Append adds the lines and gaps of another frame.
func (f *Frame) Append(g *Frame) error {
	for _, gap := range g.Gaps {
		f.Gaps = archive.AppendGap(f.Gaps, gap)
	}
	f.Rotations += g.Rotations
	return g.Lines(func(line archive.Line) bool {
		f.Add(&line)
		return true
	})
}

// Clone returns a frame of its own memory.
func (f *Frame) Clone() *Frame {
	return &Frame{
		FirstLine: f.FirstLine, Text: bytes.Clone(f.Text), Times: slices.Clone(f.Times), Marks: slices.Clone(f.Marks),
		Gaps: f.Gaps, Rotations: f.Rotations,
	}
}

// Memory is about how many bytes the frame's lines take.
func (f *Frame) Memory() int64 {
	const timeSize, markSize = 8, 24
	return int64(len(f.Text) + len(f.Times)*timeSize + len(f.Marks)*markSize)
}

// Place is what an index says of a frame, but for where it is.
func (h *Head) Place() IndexFrame {
	return IndexFrame{
		HeadSize: h.Size, DataSize: h.DataSize, RawSize: h.RawSize, FirstLine: h.FirstLine, Lines: h.Lines, Low: h.Low, High: h.High, CRC: h.DataCRC,
	}
}

// Rest returns a copy of the frame without its first lines, which have so many bytes.
func (f *Frame) Rest(lines, size int) *Frame {
	g := &Frame{
		FirstLine: f.FirstLine + int64(lines), Text: bytes.Clone(f.Text[size:]), Times: slices.Clone(f.Times[lines:]), Gaps: f.Gaps,
	}
	for _, m := range f.Marks {
		if m.line >= lines {
			m.line -= lines
			g.Marks = append(g.Marks, m)
		}
	}
	return g
}
