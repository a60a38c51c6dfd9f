package watch

import (
	"bytes"

	"github.com/epilogue-dev/epilogue/archive"
)

// lineReader cuts what a log stream gives into lines. It allocates nothing per line: texts point into its buffer and are
// good until the next call of room. Owned by one follower.
type lineReader struct {
	buf        []byte
	start, end int  // the bytes that are not cut yet
	filled     bool // the last read left no room: more is waiting
	sparse     int  // reads in a row that brought little
	inside     bool // the bytes go on with a line of which MaxLine bytes were given already
	insideTime int64
	clock      stampReader
}

const (
	// quietBuffer is what the thousands of logs hold that get a line now and then, busyBuffer what one that floods gets:
	// fewer reads, each of which costs a window update to the API server.
	quietBuffer = 4 << 10
	busyBuffer  = 32 << 10
	// manySparse is how many small reads in a row make a busy log a quiet one.
	manySparse = 16
	// longestStamp: a date, nine digits of fraction, a zone, and the space.
	longestStamp = 40
)

func newLineReader() *lineReader { return &lineReader{buf: make([]byte, quietBuffer)} }

func (r *lineReader) reset() {
	*r = lineReader{buf: r.buf, clock: r.clock}
	if len(r.buf) > busyBuffer {
		r.buf = make([]byte, quietBuffer)
	}
}

// room gives the buffer to read into next. Lines that were cut before are void.
func (r *lineReader) room() []byte {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.start, r.end = 0, r.end-r.start
	}
	switch size := len(r.buf); {
	case r.end > size/2, r.filled && size < busyBuffer:
		r.buf = append(r.buf, make([]byte, size)...)
	case r.end == 0 && r.sparse >= manySparse && size > quietBuffer:
		r.buf, r.sparse = make([]byte, quietBuffer), 0
	}
	return r.buf[r.end:]
}

// took says that n bytes were read into room.
func (r *lineReader) took(n int) {
	r.end += n
	r.filled = r.end == len(r.buf)
	if r.sparse++; n > quietBuffer/2 {
		r.sparse = 0
	}
}

// next cuts the next line; ok is false where no whole one is there. A line that is longer than archive.MaxLine is given in
// pieces of that size, all with the line's time and all but the last Partial. stamped is false for a line that does not
// begin with a time.
func (r *lineReader) next() (line archive.Line, stamped, ok bool) {
	rest := r.buf[r.start:r.end]
	n := bytes.IndexByte(rest, '\n')
	whole := n >= 0
	if !whole {
		n = len(rest)
	}
	if !whole && n <= archive.MaxLine {
		return archive.Line{}, false, false
	}
	t, stamp, stamped := r.parse(rest[:n])
	if !whole && n-stamp <= archive.MaxLine {
		return archive.Line{}, false, false
	}
	if n-stamp > archive.MaxLine {
		n, whole = stamp+archive.MaxLine, false
	}
	line = archive.Line{Time: t, Text: rest[stamp:n], Partial: !whole}
	r.inside, r.insideTime = !whole, t
	if r.start += n; whole {
		r.start++
	}
	return line, stamped, true
}

// parse reads the time at a line's front and its length, except inside a line that goes on.
func (r *lineReader) parse(b []byte) (t int64, length int, stamped bool) {
	if r.inside {
		return r.insideTime, 0, true
	}
	return r.clock.read(b)
}

// remainder gives what stands after the last newline when the stream has ended: a last line without an end, a line that
// was cut, or the kubelet's error text.
func (r *lineReader) remainder() (line archive.Line, stamped, ok bool) {
	rest := r.buf[r.start:r.end]
	if len(rest) == 0 {
		return archive.Line{}, false, false
	}
	t, stamp, stamped := r.parse(rest)
	return archive.Line{Time: t, Text: rest[stamp:], Partial: true}, stamped, true
}
