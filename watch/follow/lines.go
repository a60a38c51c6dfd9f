package follow

import (
	"bytes"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
)

// lineReader cuts what a log stream gives into lines. It allocates nothing per line: texts point into its buffer and
// are good until the next call of room. Owned by one follower.
//
// Thousands of logs get a line now and then: what such a one holds is all in quiet. One that floods borrows a large
// buffer, for fewer reads, and gives it back when its burst is over.
type lineReader struct {
	buf        []byte // quiet, a borrowed one, or, for a line that is longer, one of its own
	start, end int    // the bytes that are not cut yet
	filled     bool   // the last read left no room: more is waiting
	large      int    // reads in a row that brought more than quiet holds
	inside     bool   // the bytes go on with a line of which pieces were given already
	piece      int    // how many pieces of its line came before the one that was given last
	insideTime int64
	timeless   bool // that line began without a time, as the rest of a line does where since falls inside it
	clock      stampReader
	quiet      [quietBuffer]byte
}

const (
	quietBuffer = 1 << 10
	busyBuffer  = 32 << 10
	// manyLarge is how many large reads in a row make a flood, which keeps its buffer from one read to the next. What
	// comes less often gives it back each time, for it may be the last for hours.
	manyLarge = 8
	// pieceBytes is the longest line that is given in one piece. What writes a line without an end, as progress bars
	// do, is read and can be seen as it grows; and no more than twice this is held of any line.
	pieceBytes = 64 << 10
	// longestStamp: a date, nine digits of fraction, a zone, and the space.
	longestStamp = 40
)

// busyBuffers are lent to the readers of floods.
var busyBuffers = sync.Pool{New: func() any { return new([busyBuffer]byte) }}

func newLineReader() *lineReader {
	r := new(lineReader)
	r.buf = r.quiet[:]
	return r
}

// reset forgets all that was read.
func (r *lineReader) reset() {
	r.start, r.end, r.filled, r.large, r.inside, r.insideTime, r.timeless = 0, 0, false, 0, false, 0, false
	r.calm()
}

// calm goes back to the quiet buffer, with as much as that holds of what is not cut yet.
func (r *lineReader) calm() {
	copy(r.quiet[:], r.buf[:r.end])
	r.giveBack()
	r.buf = r.quiet[:]
}

func (r *lineReader) giveBack() {
	if len(r.buf) == busyBuffer {
		busyBuffers.Put((*[busyBuffer]byte)(r.buf))
	}
}

// grow gives room behind the bytes that are not cut yet, which stand at the front.
func (r *lineReader) grow() {
	if len(r.buf) >= busyBuffer {
		bigger := make([]byte, 2*len(r.buf))
		copy(bigger, r.buf[:r.end])
		r.giveBack()
		r.buf = bigger
		return
	}
	borrowed := busyBuffers.Get().(*[busyBuffer]byte)
	copy(borrowed[:], r.buf[:r.end])
	r.buf = borrowed[:]
}

// room returns the buffer to read into next. Lines that were cut before are void.
func (r *lineReader) room() []byte {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.start, r.end = 0, r.end-r.start
	}
	switch size := len(r.buf); {
	case r.end > size/2 && size < 2*pieceBytes, r.filled && size < busyBuffer:
		r.grow()
	case size > quietBuffer && r.end <= quietBuffer/2 && r.large < manyLarge && !r.filled:
		r.calm()
	}
	return r.buf[r.end:]
}

// took says that n bytes were read into room.
func (r *lineReader) took(n int) {
	r.end += n
	r.filled = r.end == len(r.buf)
	if r.large++; n <= quietBuffer {
		r.large = 0
	}
}

// next cuts the next line; ok is false where no whole one is there. A line that is longer than pieceBytes is given in
// pieces of that size, all with the line's time and all but the last Partial. stamped is false for a line that does not
// begin with a time, and for each of its pieces.
func (r *lineReader) next() (line archive.Line, stamped, ok bool) {
	rest := r.buf[r.start:r.end]
	n := bytes.IndexByte(rest, '\n')
	whole := n >= 0
	if !whole {
		n = len(rest)
	}
	if !whole && n <= pieceBytes {
		return archive.Line{}, false, false
	}
	t, stamp, stamped := r.parse(rest[:n])
	if !whole && n-stamp <= pieceBytes {
		return archive.Line{}, false, false
	}
	if n-stamp > pieceBytes {
		n, whole = stamp+pieceBytes, false
	}
	line = archive.Line{Time: t, Text: rest[stamp:n], Partial: !whole}
	r.count()
	r.inside, r.insideTime, r.timeless = !whole, t, !stamped
	if r.start += n; whole {
		r.start++
	}
	return line, stamped, true
}

// count counts the pieces of a line.
func (r *lineReader) count() {
	if r.piece++; !r.inside {
		r.piece = 0
	}
}

// parse reads the time at a line's front and its length, except inside a line that goes on.
func (r *lineReader) parse(b []byte) (t int64, length int, stamped bool) {
	if r.inside {
		return r.insideTime, 0, !r.timeless
	}
	return r.clock.read(b)
}

// soFar returns what has come of the next piece, whose end has not, and how many pieces of its line came before it. It
// stays to be cut. ok is false where there is none, or one without a time.
func (r *lineReader) soFar() (piece archive.Line, index int, ok bool) {
	rest := r.buf[r.start:r.end]
	t, stamp, ok := r.parse(rest)
	if r.inside {
		index = r.piece + 1
	}
	return archive.Line{Time: t, Text: rest[stamp:], Partial: true}, index, ok && stamp < len(rest)
}

// unfinished reports whether bytes of a line have come and not its end.
func (r *lineReader) unfinished() bool { return r.inside || r.start < r.end }

// remainder returns what stands after the last newline when the stream has ended: a last line without an end, a line
// that was cut, or the kubelet's error text.
func (r *lineReader) remainder() (line archive.Line, stamped, ok bool) {
	rest := r.buf[r.start:r.end]
	if len(rest) == 0 {
		return archive.Line{}, false, false
	}
	t, stamp, stamped := r.parse(rest)
	r.count()
	return archive.Line{Time: t, Text: rest[stamp:], Partial: true}, stamped, true
}
