package loki

import (
	"slices"
	"strconv"
	"strings"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// former gives entries the form in which queries see them. What it gives is good until it gives the next. Owned by its
// user.
type former struct {
	numbers bool // with line numbers and true times

	of      *keptLog
	meta    logql.Labels // of the log, with room for what is an entry's own
	level   int          // where in meta that stands
	line    int
	time    int
	scratch logql.Labels
	notes   map[noteKind]*logql.Stream
}

// noteKind names a stream of notes.
type noteKind struct {
	log  *keptLog
	kind string
}

func (f *former) entry(e *entry) logql.Entry {
	if e.note != nil {
		return logql.Entry{Time: e.view, Line: e.text, Stream: f.streamOf(e), Meta: f.noteMeta(e)}
	}
	f.begin(e.kept)
	f.meta[f.level].Value = levelOf(e.text)
	meta := f.meta
	if f.numbers {
		f.meta[f.line].Value = strconv.FormatInt(e.number/2, 10)
		if e.view != e.at {
			f.scratch = append(f.scratch[:0], f.meta...)
			f.scratch = slices.Insert(f.scratch, f.time, logql.Label{Name: metaTime, Value: strconv.FormatInt(e.at, 10)})
			meta = f.scratch
		}
	}
	return logql.Entry{Time: e.view, Line: e.text, Stream: e.kept.stream, Meta: meta}
}

// begin goes on with another log.
func (f *former) begin(l *keptLog) {
	if f.of == l {
		return
	}
	f.of, f.meta = l, append(f.meta[:0], l.meta...)
	f.insert(metaLevel)
	if f.numbers {
		f.insert(metaLine)
	}
	f.level, f.line, f.time = f.place(metaLevel), f.place(metaLine), f.place(metaTime)
}

func (f *former) insert(name string) {
	f.meta = slices.Insert(f.meta, f.place(name), logql.Label{Name: name})
}

// place is where a name stands in meta, or would.
func (f *former) place(name string) int {
	n, _ := slices.BinarySearchFunc(f.meta, name, func(l logql.Label, name string) int { return strings.Compare(l.Name, name) })
	return n
}

// streamOf gives the stream of a note.
func (f *former) streamOf(e *entry) *logql.Stream {
	if e.note.kind != kindDamage {
		return e.kept.aside
	}
	key := noteKind{e.kept, e.note.kind}
	if f.notes[key] == nil {
		if f.notes == nil {
			f.notes = map[noteKind]*logql.Stream{}
		}
		f.notes[key] = e.kept.damageStream()
	}
	return f.notes[key]
}

// noteMeta gives the metadata of a note. There are few of them.
func (f *former) noteMeta(e *entry) logql.Labels {
	pairs := e.kept.meta.Map()
	pairs[metaLevel], pairs[metaReason] = levelWarn, e.note.reason
	if f.numbers {
		pairs[metaLine] = strconv.FormatInt(e.note.after, 10)
		if e.view != e.at {
			pairs[metaTime] = strconv.FormatInt(e.at, 10)
		}
	}
	return logql.NewLabels(pairs)
}
