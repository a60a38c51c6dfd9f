package serve

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
)

// place is where a reader of several logs is: the number of the last line that he had of each. As text it is the id of an event,
// which a client sends back as Last-Event-ID. It holds all that there is to know, so that any replica, and the next
// life of this one, goes on behind it.
type place struct {
	lines map[archive.LogID]int64
	order []archive.LogID
	whole bool // every log that the answer had by then is in it, also those of which no line was given
}

func newPlace() *place { return &place{lines: map[archive.LogID]int64{}} }

func compareIDs(a, b archive.LogID) int {
	return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container), cmp.Compare(a.Restart, b.Restart))
}

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
		p.had(id, max(lines[id], p.lines[id]))
	}
	p.whole = true
}

// maxPlace bounds a place as text: some thousand logs.
const maxPlace = 256 << 10

// What a place begins with: it names the logs of which lines were given, or all that there were.
const (
	partPlace  = "1."
	wholePlace = "2."
)

// String gives the place as text without spaces.
func (p *place) String() string {
	b := make([]byte, 0, 64*len(p.order))
	for _, id := range p.order {
		b = appendText(b, string(id.Pod))
		b = appendText(b, id.Container)
		b = binary.AppendUvarint(b, uint64(id.Restart))
		b = binary.AppendUvarint(b, uint64(p.lines[id]))
	}
	mark := partPlace
	if p.whole {
		mark = wholePlace
	}
	return mark + base64.RawURLEncoding.EncodeToString(b)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

var errPlace = errors.New("not a place")

func parsePlace(text string) (*place, error) {
	coded, part := strings.CutPrefix(text, partPlace)
	coded, whole := strings.CutPrefix(coded, wholePlace)
	if part == whole || len(text) > maxPlace {
		return nil, errPlace
	}
	b, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil {
		return nil, errPlace
	}
	at := newPlace()
	at.whole = whole
	for len(b) > 0 {
		var id archive.LogID
		var pod string
		var restart, line uint64
		pod, b = cutText(b)
		id.Container, b = cutText(b)
		restart, b = cutNumber(b)
		line, b = cutNumber(b)
		if b == nil || pod == "" || restart > math.MaxInt32 || line > maxNumber {
			return nil, errPlace
		}
		id.Pod, id.Restart = archive.PodUID(pod), int(restart)
		at.had(id, int64(line))
	}
	return at, nil
}

// cutText and cutNumber give what b begins with and the rest, which is nil where b is too short.
func cutText(b []byte) (string, []byte) {
	n, rest := cutNumber(b)
	if rest == nil || n > uint64(len(rest)) {
		return "", nil
	}
	return string(rest[:n]), rest[n:]
}

func cutNumber(b []byte) (uint64, []byte) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil
	}
	return v, b[n:]
}
