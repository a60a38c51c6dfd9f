package show

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"regexp"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// The forms of log lines.
const (
	FormText = "text" // as the container wrote it, with what LineStyle adds
	FormJSON = "json" // one JSON object a line, see LineJSON
	FormRaw  = "raw"  // the very bytes, whatever the output is
)

// LineStyle says how log lines are written. The zero value is text and nothing else.
type LineStyle struct {
	Form       string // FormText ("" as well), FormJSON or FormRaw
	Timestamps bool   // of text
	Prefix     bool   // of text: pod, container and restart before each line
	Terminal   bool   // of text: the output is a terminal, which a container's text must not steer
	Color      bool   // of text: colours for prefixes and highlights; those of the container pass a terminal
	Highlight  *regexp.Regexp
	Flush      bool // after each line: somebody is waiting for it

	// Called names a log in its prefix; nil: as kubectl does, see Name.
	Called func(*archive.Instance) string
}

// Lines writes log lines. Owned by one goroutine.
type Lines struct {
	out   *bufio.Writer
	style LineStyle
	open  *archive.Instance // whose line has no end yet; nil: at the start of a line
	row   *row              // of that line, where it is drawn over and over; nil: it is not
	buf   []byte

	encoder *json.Encoder
}

// NewLines makes one that writes to out.
func NewLines(out io.Writer, style LineStyle) *Lines {
	if style.Called == nil {
		style.Called = Name
	}
	l := &Lines{out: bufio.NewWriterSize(out, 64<<10), style: style}
	l.encoder = json.NewEncoder(l.out)
	if style.Terminal {
		l.encoder = json.NewEncoder(cleaned{l.out})
	}
	l.encoder.SetEscapeHTML(false)
	return l
}

// Line writes one line. A partial one stays open for the rest of it, unless a line of another log comes in between.
func (l *Lines) Line(e *archive.Entry) error {
	l.buf = l.buf[:0]
	switch l.style.Form {
	case FormJSON:
		l.json(e)
	case FormRaw:
		l.buf = append(l.buf, e.Text...)
		if !e.Partial {
			l.buf = append(l.buf, '\n')
		}
	default:
		l.text(e)
	}
	// A write that failed stays in the buffer as its error, which this one gives.
	if _, err := l.out.Write(l.buf); err != nil || !l.style.Flush {
		return err
	}
	return l.Flush()
}

// Note writes a line of ours between those of logs. What a stranger wrote in it is shown, and steers nothing, whatever
// the output is.
func (l *Lines) Note(text string) error {
	l.buf = l.buf[:0]
	if l.open != nil {
		l.end()
	}
	l.buf, _ = clean(l.buf, []byte(text), false)
	if _, err := l.out.Write(append(l.buf, '\n')); err != nil || !l.style.Flush {
		return err
	}
	return l.Flush()
}

// Flush writes what is kept back.
func (l *Lines) Flush() error { return l.out.Flush() }

// Close ends the last line where a person reads it, and writes all.
func (l *Lines) Close() error {
	if l.open != nil && l.style.Terminal {
		l.buf = l.buf[:0]
		l.end()
		if _, err := l.out.Write(l.buf); err != nil {
			return err
		}
	}
	return l.Flush()
}

func (l *Lines) text(e *archive.Entry) {
	if l.open != nil && l.open.ID() != e.Instance.ID() {
		l.end()
	}
	if l.row != nil || l.style.Terminal && drawnOver(e) {
		l.bar(e)
		return
	}
	if l.open == nil {
		l.head(e)
	}
	l.buf = l.body(l.buf, e.Text)
	if e.Partial {
		l.open = e.Instance
		return
	}
	l.open = nil
	l.buf = append(l.buf, '\n')
}

// drawnOver reports whether anything of a line was overwritten: a carriage return at its end is that of another system.
func drawnOver(e *archive.Entry) bool {
	text := e.Text
	if !e.Partial {
		text = bytes.TrimSuffix(text, []byte("\r"))
	}
	return bytes.IndexByte(text, '\r') >= 0
}

func (l *Lines) head(e *archive.Entry) {
	if l.style.Prefix {
		prefix := "[" + l.style.Called(e.Instance) + "]"
		if l.style.Color {
			prefix = colorOf(e.Instance) + prefix + reset
		}
		l.buf = append(append(l.buf, prefix...), ' ')
	}
	if l.style.Timestamps {
		l.buf = append(append(l.buf, Time(e.Time)...), ' ')
	}
}

// Name is kubectl's name of a log, with the restart where there was one.
func Name(i *archive.Instance) string {
	name := "pod/" + i.Pod + "/" + i.Container
	if i.Restart > 0 {
		name = fmt.Sprintf("%s[%d]", name, i.Restart)
	}
	return Safe(name)
}

// Time is a line's time as kubectl shows it, "-" where it is not known.
func Time(ns int64) string { return cmp.Or(wire.Stamp(ns), "-") }

func (l *Lines) body(dst, text []byte) []byte {
	if l.style.Terminal {
		text = bytes.TrimSuffix(text, []byte("\r")) // a file of another system, whose lines end in both
	}
	if l.style.Highlight == nil || !l.style.Color {
		return l.piece(dst, text)
	}
	return l.highlighted(dst, text)
}

// highlighted marks what matches. A colour of the container's own begins again behind a mark.
func (l *Lines) highlighted(dst, text []byte) []byte {
	from := 0
	for _, at := range l.style.Highlight.FindAllIndex(text, -1) {
		if at[0] == at[1] {
			continue
		}
		dst = l.piece(dst, text[from:at[0]])
		dst = append(dst, mark...)
		dst = l.piece(dst, text[at[0]:at[1]])
		dst = append(dst, reset...)
		from = at[1]
	}
	return l.piece(dst, text[from:])
}

func (l *Lines) piece(dst, text []byte) []byte {
	if !l.style.Terminal {
		return append(dst, text...)
	}
	dst, colored := clean(dst, text, l.style.Color)
	if colored {
		dst = append(dst, reset...)
	}
	return dst
}

const (
	reset = "\x1b[0m"
	mark  = "\x1b[1;7m"
)

// colorOf returns one of a few colours, for the same log always the same.
func colorOf(i *archive.Instance) string {
	h := fnv.New32a()
	h.Write([]byte(i.Pod + "/" + i.Container))
	return fmt.Sprintf("\x1b[%dm", []int{36, 32, 33, 34, 35, 31}[h.Sum32()%6])
}

func (l *Lines) json(e *archive.Entry) {
	// Strings, numbers and a switch always encode, and the writer keeps its first error.
	_ = l.encoder.Encode(wire.LineOf(e))
}

// cleaned makes JSON safe for a terminal, and it stays JSON: what JSON leaves as it is and a terminal obeys are DEL, C1
// and marks of direction, and Clean writes those as JSON does.
type cleaned struct{ out *bufio.Writer }

func (c cleaned) Write(line []byte) (int, error) {
	n := len(line)
	line = bytes.ReplaceAll(line, []byte{0x7f}, []byte(`\u007f`))
	text, _ := clean(nil, bytes.TrimSuffix(line, []byte("\n")), false)
	if _, err := c.out.Write(append(text, '\n')); err != nil {
		return 0, err
	}
	return n, nil
}
