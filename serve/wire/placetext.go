package wire

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

func compareIDs(a, b archive.LogID) int {
	return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container), cmp.Compare(a.Restart, b.Restart))
}

// What a place begins with: it names the logs of which lines were given, or all that there were; or it has a mark
// before them.
const (
	partPlace   = "1."
	wholePlace  = "2."
	markedPlace = "3."
	markedWhole = "4."
)

// String is the place as text without spaces.
func (p *Place) String() string {
	b := make([]byte, 0, 64+32*len(p.Lines))
	prefix := partPlace
	switch {
	case p.Mark != nil && p.Whole:
		prefix = markedWhole
	case p.Mark != nil:
		prefix = markedPlace
	case p.Whole:
		prefix = wholePlace
	}
	if p.Mark != nil {
		b = appendMark(b, p.Mark)
	}
	for _, id := range p.order {
		line, known := p.Lines[id]
		if !known {
			continue
		}
		b = appendUID(b, id.Pod)
		b = appendText(b, id.Container)
		b = binary.AppendUvarint(b, uint64(id.Restart))
		b = binary.AppendUvarint(b, uint64(line))
	}
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

func appendMark(b []byte, m *archive.Mark) []byte {
	b = binary.AppendVarint(b, m.Job)
	b = binary.AppendVarint(b, m.Pod-m.Job)
	b = appendUID(appendText(b, m.Name), m.UID)
	b = binary.AppendVarint(b, m.Sealed.UnixNano())
	b = binary.AppendUvarint(b, uint64(m.Pods))
	b = binary.LittleEndian.AppendUint64(b, m.Sum)
	b = binary.AppendUvarint(b, uint64(len(m.Except)))
	for _, uid := range m.Except {
		b = appendUID(b, uid)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendUID writes one that is a UUID, as Kubernetes makes them, in 16 bytes behind a 0, which no other one begins
// with.
func appendUID(b []byte, uid archive.PodUID) []byte {
	if raw, err := hex.DecodeString(strings.ReplaceAll(string(uid), "-", "")); err == nil && len(raw) == 16 && uuid(raw) == uid {
		return append(append(b, 0), raw...)
	}
	return appendText(b, string(uid))
}

func uuid(raw []byte) archive.PodUID {
	text := hex.EncodeToString(raw)
	return archive.PodUID(strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-"))
}

var errPlace = errors.New("not a place")

// placeText takes a place apart. bad: it was none.
type placeText struct {
	b   []byte
	bad bool
}

// ParsePlace reads a place as String writes it.
func ParsePlace(text string) (*Place, error) {
	const most = 256 << 10 // earlier versions gave such
	prefix := text[:min(len(text), len(partPlace))]
	b, err := base64.RawURLEncoding.DecodeString(text[len(prefix):])
	if err != nil || len(text) > most {
		return nil, errPlace
	}
	at, in := NewPlace(), &placeText{b: b}
	switch prefix {
	case partPlace, wholePlace:
	case markedPlace, markedWhole:
		at.Mark = in.mark()
	default:
		return nil, errPlace
	}
	at.Whole = prefix == wholePlace || prefix == markedWhole
	for !in.bad && len(in.b) > 0 {
		id := archive.LogID{Pod: in.uid(), Container: in.text()}
		restart, line := in.number(), in.number()
		if restart > math.MaxInt32 || line > MaxNumber {
			return nil, errPlace
		}
		id.Restart = int(restart)
		at.Had(id, int64(line))
	}
	if in.bad {
		return nil, errPlace
	}
	return at, nil
}

func (t *placeText) mark() *archive.Mark {
	m := &archive.Mark{}
	m.Job = t.signed()
	m.Pod = m.Job + t.signed()
	m.Name, m.UID = t.text(), t.uid()
	m.Sealed = time.Unix(0, t.signed()).UTC()
	pods := t.number()
	m.Pods = int64(min(pods, math.MaxInt64))
	if len(t.b) < 8 {
		t.bad = true
		return m
	}
	m.Sum, t.b = binary.LittleEndian.Uint64(t.b), t.b[8:]
	for n := t.number(); n > 0 && !t.bad; n-- {
		m.Except = append(m.Except, t.uid())
	}
	return m
}

func (t *placeText) number() uint64 {
	v, n := binary.Uvarint(t.b)
	return cut(t, v, n)
}

func (t *placeText) signed() int64 {
	v, n := binary.Varint(t.b)
	return cut(t, v, n)
}

func cut[N uint64 | int64](t *placeText, v N, n int) N {
	if n <= 0 {
		t.bad, t.b = true, nil
		return 0
	}
	t.b = t.b[n:]
	return v
}

func (t *placeText) text() string { return string(t.bytes(t.number())) }

func (t *placeText) bytes(n uint64) []byte {
	if n > uint64(len(t.b)) {
		t.bad, t.b = true, nil
		return nil
	}
	b := t.b[:n]
	t.b = t.b[n:]
	return b
}

func (t *placeText) uid() archive.PodUID {
	n := t.number()
	if n > 0 {
		return archive.PodUID(t.bytes(n))
	}
	raw := t.bytes(16)
	if t.bad {
		return ""
	}
	return uuid(raw)
}
