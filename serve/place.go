package serve

import (
	"maps"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// place is where a reader of several logs is: which pods he has had to their ends, and of the other logs the number
// of the last line that he had. As text it is the id of an event, which a client sends back as Last-Event-ID. It
// holds all that there is to know, so that any replica, and the next life of this one, goes on behind it. So it grows
// with the logs that are open, and not with those that have ended.
type place struct {
	lines map[archive.LogID]int64
	order []archive.LogID // of lines, and of some that a mark covers by now
	mark  *archive.Mark   // nil: no pod was had to its end
	whole bool            // what it does not name has come since, or is to be given from its start
}

func newPlace() *place { return &place{lines: map[archive.LogID]int64{}} }

// given says that it is one at all.
func (p *place) given() bool { return p.whole || p.mark != nil || len(p.lines) > 0 }

// had notes a line.
func (p *place) had(id archive.LogID, line int64) {
	if _, known := p.lines[id]; !known {
		p.order = append(p.order, id)
	}
	p.lines[id] = line
}

// begun notes behind which lines an answer begins.
func (p *place) begun(lines map[archive.LogID]int64) {
	for _, id := range slices.SortedFunc(maps.Keys(lines), compareIDs) {
		if n := max(lines[id], p.lines[id]); n > 0 {
			p.had(id, n)
		}
	}
	p.whole = true
}

// marked notes which pods were given to their ends.
func (p *place) marked(mark archive.Mark, done []archive.LogID) {
	p.mark = &mark
	for _, id := range done {
		delete(p.lines, id)
	}
	const few = 16
	if len(p.order) > 2*len(p.lines)+few {
		p.order = slices.DeleteFunc(p.order, func(id archive.LogID) bool {
			_, known := p.lines[id]
			return !known
		})
	}
}

// maxPlace bounds a place as text, by what a header takes along with others: some thousand logs that are open at once.
const maxPlace = 48 << 10

// appendID appends the field of an event. A place that would not be taken back is not given: a client who comes back
// with the one before has some lines twice, and none is missing.
func (p *place) appendID(dst []byte) []byte {
	text := p.String()
	if len(text) > maxPlace {
		return dst
	}
	return append(append(append(dst, "id: "...), text...), '\n')
}
