package wire

import (
	"maps"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// Place is where a reader of several logs is: which pods he has had to their ends, and of the other logs the number
// of the last line that he had. As text it is the id of an event, which a client sends back as Last-Event-ID. It
// holds all that there is to know, so that any replica, and the next life of this one, goes on behind it. So it grows
// with the logs that are open, and not with those that have ended.
type Place struct {
	Lines map[archive.LogID]int64
	Mark  *archive.Mark   // nil: no pod was had to its end
	Whole bool            // what it does not name has come since, or is to be given from its start
	order []archive.LogID // of Lines, and of some that the mark covers by now
}

// NewPlace is the place before everything.
func NewPlace() *Place { return &Place{Lines: map[archive.LogID]int64{}} }

// Behind is the place behind these lines, of logs of which there may be more.
func Behind(lines map[archive.LogID]int64) *Place {
	p := NewPlace()
	for _, id := range slices.SortedFunc(maps.Keys(lines), compareIDs) {
		p.Had(id, lines[id])
	}
	return p
}

// Given says that it is one at all.
func (p *Place) Given() bool { return p.Whole || p.Mark != nil || len(p.Lines) > 0 }

// Had notes a line.
func (p *Place) Had(id archive.LogID, line int64) {
	if _, known := p.Lines[id]; !known {
		p.order = append(p.order, id)
	}
	p.Lines[id] = line
}

// Begun notes behind which lines an answer begins.
func (p *Place) Begun(lines map[archive.LogID]int64) {
	for _, id := range slices.SortedFunc(maps.Keys(lines), compareIDs) {
		if n := max(lines[id], p.Lines[id]); n > 0 {
			p.Had(id, n)
		}
	}
	p.Whole = true
}

// Marked notes which pods were given to their ends.
func (p *Place) Marked(mark archive.Mark, done []archive.LogID) {
	p.Mark = &mark
	for _, id := range done {
		delete(p.Lines, id)
	}
	const few = 16
	if len(p.order) > 2*len(p.Lines)+few {
		p.order = slices.DeleteFunc(p.order, func(id archive.LogID) bool {
			_, known := p.Lines[id]
			return !known
		})
	}
}

// maxPlace bounds a place as text, by what a header takes along with others: some thousand logs that are open at once.
const maxPlace = 48 << 10

// AppendID appends the field of an event. A place that would not be taken back is not given: a client who comes back
// with the one before has some lines twice, and none is missing.
func (p *Place) AppendID(dst []byte) []byte {
	text := p.String()
	if len(text) > maxPlace {
		return dst
	}
	return append(append(append(dst, "id: "...), text...), '\n')
}
