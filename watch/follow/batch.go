package follow

import (
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
)

// batch holds the lines of one reading on their way into the log. Their Texts point into the reader's buffer. Few lines
// stand in few; where more come the room for them is borrowed, and given back with clear.
type batch struct {
	lines []archive.Line // nil, in few, in borrowed room, or, where that is full, in room of its own
	few   [4]archive.Line
}

// manyLines is about how many of the shortest lines, a time and a newline, a busy reader's buffer holds.
const manyLines = busyBuffer / 32

var batchRooms = sync.Pool{New: func() any { return new([manyLines]archive.Line) }}

func (b *batch) add(line archive.Line) {
	if b.lines == nil {
		b.lines = b.few[:0]
	}
	if len(b.lines) == len(b.few) && cap(b.lines) == len(b.few) {
		room := batchRooms.Get().(*[manyLines]archive.Line)
		b.lines = room[:copy(room[:], b.lines)]
	}
	b.lines = append(b.lines, line)
}

func (b *batch) clear() {
	if cap(b.lines) == manyLines {
		batchRooms.Put((*[manyLines]archive.Line)(b.lines[:manyLines]))
	}
	b.lines = nil
}
