package logql

import (
	"cmp"
	"slices"
	"strings"
	"unsafe"
)

// The labels that say why a stage could not do its work on a line.
const (
	errorLabel   = "__error__"
	detailsLabel = "__error_details__"
)

// Bounds of one line, however long it is and whatever is asked of it. A line that needs more has an error.
const (
	mostRoom   = 8 << 20 // bytes of text that stages make
	mostLabels = 1000    // labels that are made of it
)

const (
	errLabels = lokiWords("The line has more labels than the archive reads")
	errRoom   = lokiWords("The labels of the line are longer than the archive reads")
)

// isOurs names labels that queries cannot set.
func isOurs(name string) bool { return name == errorLabel || name == detailsLabel }

// extracted is put after the name of a label that the stream or its metadata has already.
const extracted = "_extracted"

// category is where a label comes from.
type category int

const (
	ofStream category = iota
	ofMeta
	ofLine
)

// working is an entry on its way through a pipeline. It is used for one entry after the other. Its strings may lie in
// the line or in room: they are good until the next entry, and are copied into what stays.
type working struct {
	at     int64
	line   []byte
	stream *Stream
	// labels by category. Those of the stream are the stream's own until touched.
	labels  [3][]Label
	touched bool
	own     [3][]Label // the room of labels
	err     string
	details string
	room    []byte
	all     Labels
	key     []byte
	texts   []string // of a stage that makes several
	gone    []string // the labels that were made of the line, and are not there any more
}

// start takes the next entry.
func (e *working) start(x Entry) {
	e.at, e.line, e.stream = x.Time, x.Line, x.Stream
	e.err, e.details, e.touched = "", "", false
	e.room, e.gone = e.room[:0], e.gone[:0]
	e.labels[ofStream] = x.Stream.Labels
	e.labels[ofMeta], e.labels[ofLine] = e.own[ofMeta][:0], e.own[ofLine][:0]
	for _, m := range x.Meta {
		if _, ok := x.Stream.Labels.Get(m.Name); ok {
			m.Name += extracted
		}
		e.labels[ofMeta] = append(e.labels[ofMeta], m)
	}
	e.own[ofMeta] = e.labels[ofMeta]
}

// plain says that the entry has the labels of its stream and no others.
func (e *working) plain() bool {
	return !e.touched && e.err == "" && len(e.labels[ofMeta]) == 0 && len(e.labels[ofLine]) == 0
}

// get gives the value of a label, whatever it comes from.
func (e *working) get(name string) (value string, ok bool) {
	switch name {
	case errorLabel:
		return e.err, e.err != ""
	case detailsLabel:
		return e.details, e.details != ""
	}
	for c := ofLine; c >= ofStream; c-- {
		if value, ok = Labels(e.labels[c]).Get(name); ok {
			return value, true
		}
	}
	return "", false
}

// fail notes what went wrong, if it is the first thing.
func (e *working) fail(kind, details string) {
	if e.err == "" {
		e.err, e.details = kind, details
	}
}

// failParse notes that the line could not be parsed. That takes the place of what went wrong before.
func (e *working) failParse(kind string, err error) {
	e.err, e.details = kind, cmp.Or(err.Error(), e.details)
}

// extract adds a label that was found in the line, where none of the name is or was made of it: what was dropped stays
// dropped. With named it was asked for by its name, and takes the place of another one. A line cannot say that it has
// an error.
func (e *working) extract(name, value string, named bool) error {
	switch {
	case name == "" || isOurs(name):
		return nil
	case len(e.labels[ofLine]) >= mostLabels:
		return errLabels
	case len(e.room) > mostRoom:
		return errRoom
	}
	// The names of the stream are taken even where they were dropped; those of its metadata are free then.
	_, taken := e.stream.Labels.Get(name)
	if !taken {
		_, taken = Labels(e.labels[ofMeta]).Get(name)
	}
	if taken {
		name = e.join(name, extracted)
	}
	if !named && slices.Contains(e.gone, name) {
		return nil
	}
	for i := range e.labels[ofLine] {
		if x := &e.labels[ofLine][i]; x.Name == name {
			if named {
				x.Value = value
			}
			return nil
		}
	}
	e.labels[ofLine] = append(e.labels[ofLine], Label{name, value})
	e.own[ofLine] = e.labels[ofLine]
	return nil
}

// blank has an empty label, where there is none of the name: it was asked for, and is not in the line.
func (e *working) blank(name string) {
	if _, ok := e.get(name); !ok && len(e.labels[ofLine]) < mostLabels {
		e.set(name, "")
	}
}

// set has a label, and no other of the name.
func (e *working) set(name, value string) {
	for c := ofStream; c <= ofLine; c++ {
		e.removeFrom(c, name)
	}
	e.labels[ofLine] = append(e.labels[ofLine], Label{name, value})
	e.own[ofLine] = e.labels[ofLine]
}

// remove takes a label away.
func (e *working) remove(name string) {
	switch name {
	case errorLabel:
		e.err = ""
	case detailsLabel:
		e.details = ""
	}
	for c := ofStream; c <= ofLine; c++ {
		e.removeFrom(c, name)
	}
}

func (e *working) removeFrom(c category, name string) {
	i := slices.IndexFunc(e.labels[c], func(l Label) bool { return l.Name == name })
	if i < 0 {
		return
	}
	if c == ofStream {
		e.touch()
	}
	if c == ofLine {
		e.gone = append(e.gone, name)
	}
	e.labels[c] = slices.Delete(e.labels[c], i, i+1)
}

// touch makes the labels of the stream the entry's own.
func (e *working) touch() {
	if !e.touched {
		e.touched = true
		e.own[ofStream] = append(e.own[ofStream][:0], e.labels[ofStream]...)
		e.labels[ofStream] = e.own[ofStream]
	}
}

// merged gives all labels, sorted; good until the next call.
func (e *working) merged() Labels {
	if e.plain() {
		return e.stream.Labels
	}
	e.all = e.all[:0]
	for _, labels := range e.labels {
		e.all = append(e.all, labels...)
	}
	if e.err != "" {
		e.all = append(e.all, Label{errorLabel, e.err})
	}
	if e.details != "" {
		e.all = append(e.all, Label{detailsLabel, e.details})
	}
	e.all.sort()
	return e.all
}

// join gives two texts as one, in room.
func (e *working) join(a, b string) string {
	from := len(e.room)
	e.room = append(append(e.room, a...), b...)
	return view(e.room[from:])
}

// view gives bytes as a string without a copy. They must not change while it is used: what a working entry adds to room
// lies behind what was there, and a line stays as it is until the next entry.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// labelName makes a name of what stands in a line: a letter or _ first, then those and digits; all else is _.
func (e *working) labelName(prefix, name string) string {
	if prefix == "" && isName(name) {
		return name
	}
	from := len(e.room)
	if prefix != "" {
		e.room = append(append(e.room, prefix...), '_')
	} else if name = strings.TrimSpace(name); name != "" && isDigit(name[0]) {
		e.room = append(e.room, '_')
	}
	for _, r := range strings.TrimSpace(name) {
		if r < 128 && isWord(byte(r)) {
			e.room = append(e.room, byte(r))
		} else {
			e.room = append(e.room, '_')
		}
	}
	return view(e.room[from:])
}

func isName(s string) bool {
	return s != "" && !isDigit(s[0]) && prefix(s, isWord) == len(s)
}
