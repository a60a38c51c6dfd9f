package format

import (
	"math"

	"github.com/epilogue-dev/epilogue/archive"
)

// Window picks lines by their time. A line without one counts as those before it.
type Window struct {
	Since, at int64
	Yield     func(archive.Line) bool
	Onward    bool // all behind the first one, too
	Done      bool
}

// Visit returns the frame's lines that are in the window to Yield, and sets Done once that wants no more. Frames come
// in the order of their lines. Its error is that of a damaged frame.
func (w *Window) Visit(f *Frame) error {
	return f.Lines(func(line archive.Line) bool {
		if line.Time != 0 {
			w.at = line.Time
		}
		in := w.at >= w.Since
		if in && w.Onward {
			w.Since = math.MinInt64
		}
		w.Done = in && !w.Yield(line)
		return !w.Done
	})
}

// Passes reports whether no line of a frame with the given latest time can be in the window.
func (w *Window) Passes(high int64) bool {
	if high == 0 {
		return w.at < w.Since
	}
	if high < w.Since {
		w.at = high
		return true
	}
	return false
}

// Section is a part of a log that is read in one piece: one frame, or frames that lie side by side in a journal object.
type Section struct {
	FirstLine, Lines int64 // lines before it and in it
	Offset, Bytes    int64 // of its text; Offset -1: not known
	Low, High        int64 // bounds of the times in it, 0 where no line has one
	Timed            bool  // Low and High are known
}

// Piece is a frame and where its text starts in the log's text; -1: not known.
type Piece struct {
	*Frame
	Offset int64
}

// SectionOf returns what an index says of one frame as a section.
func SectionOf(x *IndexFrame) Section {
	return Section{x.FirstLine, x.Lines, x.RawOffset, x.RawSize, x.Low, x.High, true}
}

// SectionsOf returns the frames of a log object as sections, in the same order: section n is frame n.
func SectionsOf(frames []IndexFrame) []Section {
	all := make([]Section, len(frames))
	for n := range frames {
		all[n] = SectionOf(&frames[n])
	}
	return all
}

// The first request for frames is for little, so that a tail costs little; the next ones are for more, so that a whole
// log costs few requests. LargestGet bounds what is held in memory.
const (
	SmallestGet = 256 << 10
	LargestGet  = 1 << 20
)

// PieceBytes bounds what one line adds to a frame: a longer one is kept in pieces.
const PieceBytes = 64 << 10

// Memory is how much one frame of the section takes at most: it may be several frames, or not known what it is.
func (x *Section) Memory() int64 {
	const timeSize, most = 8, FrameTarget + PieceBytes
	if x.Lines < 0 {
		return most
	}
	return min(x.Bytes, most) + min(x.Lines, most)*timeSize
}
