package logql

import (
	"regexp"
	"strconv"
	"strings"
)

// template is a text with {{.field}} in it.
type template struct {
	text   string
	pieces []piece
}

// piece is a text, or a label's value, or the line.
type piece struct {
	text  string
	field string
	line  bool
}

// parseTemplate reads a template. msg says what is wrong at the byte bad.
func parseTemplate(s string) (pieces []piece, bad int, msg string) {
	at := 0
	for {
		open := strings.Index(s[at:], "{{")
		if open < 0 {
			if at < len(s) {
				pieces = append(pieces, piece{text: s[at:]})
			}
			return pieces, 0, ""
		}
		if open > 0 {
			pieces = append(pieces, piece{text: s[at : at+open]})
		}
		at += open
		inner, _, ok := strings.Cut(s[at+2:], "}}")
		if !ok {
			return nil, at, `"{{" has no "}}"`
		}
		action := strings.Trim(inner, " \t\r\n")
		name, dot := strings.CutPrefix(action, ".")
		switch {
		case dot && isName(name):
			pieces = append(pieces, piece{field: name})
		case action == "__line__":
			pieces = append(pieces, piece{line: true})
		default:
			return nil, at, "the template action {{" + inner + "}} is not supported by this archive: only fields as {{.name}}, and {{__line__}}"
		}
		at += len(inner) + 4
	}
}

// fill gives the text for an entry. A label that is not there is empty. ok is false where the text gets too long: the
// entry has an error then.
func (t *template) fill(e *working) (text []byte, ok bool) {
	from := len(e.room)
	for i := range t.pieces {
		p := &t.pieces[i]
		value := p.text
		switch {
		case p.line:
			value = view(e.line)
		case p.field != "":
			value, _ = e.get(p.field)
		}
		if len(e.room)+len(value) > mostRoom {
			e.fail("TemplateFormatErr", "the text gets longer than the archive makes it")
			return nil, false
		}
		e.room = append(e.room, value...)
	}
	return e.room[from:len(e.room):len(e.room)], true
}

// formatStage makes the line anew: | line_format "{{.level}}: {{.msg}}".
type formatStage struct{ template template }

func (s *formatStage) run(e *working) bool {
	if line, ok := s.template.fill(e); ok {
		e.line = line
	}
	return true
}

func (s *formatStage) String() string { return "| line_format " + strconv.Quote(s.template.text) }

// labelFormatStage gives labels other names and values: | label_format a=b, c="{{.d}}".
type labelFormatStage struct{ items []labelFormat }

type labelFormat struct {
	to       string
	from     string // the label to rename; "": the template counts
	template template
}

func (s *labelFormatStage) run(e *working) bool {
	filled := false
	for i := range s.items {
		x := &s.items[i]
		if x.from == "" {
			if filled = filled || s.fill(e); !filled {
				return true
			}
			e.set(x.to, e.texts[i])
			continue
		}
		if value, ok := e.get(x.from); ok && !isOurs(x.from) {
			e.set(x.to, value)
			e.remove(x.from) // a label that is renamed to itself is gone, as in Loki
		}
	}
	return true
}

// fill makes the texts of all templates, as of now: none sees what another one makes.
func (s *labelFormatStage) fill(e *working) bool {
	e.texts = e.texts[:0]
	for i := range s.items {
		text, ok := s.items[i].template.fill(e)
		if !ok {
			return false
		}
		e.texts = append(e.texts, e.valid(text))
	}
	return true
}

func (s *labelFormatStage) String() string {
	words := make([]string, len(s.items))
	for i, x := range s.items {
		words[i] = x.to + "=" + x.from
		if x.from == "" {
			words[i] = x.to + "=" + strconv.Quote(x.template.text)
		}
	}
	return "| label_format " + strings.Join(words, ", ")
}

// colors are the escape sequences of terminals.
var colors = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\^_])")

// decolorizeStage takes the colours of terminals out of the line.
type decolorizeStage struct{}

func (decolorizeStage) run(e *working) bool {
	if strings.IndexByte(view(e.line), 0x1b) >= 0 {
		e.line = colors.ReplaceAll(e.line, nil)
	}
	return true
}

func (decolorizeStage) String() string { return "| decolorize" }
