package show

import (
	"bytes"
	"unicode/utf8"

	"github.com/epilogue-dev/epilogue/archive"
)

// row is a line that a program has drawn over and over, as progress bars are: what a terminal would have of it in the
// end. Bytes that a carriage return had overwritten are left out; -o raw has them.
type row struct {
	of     archive.Entry // whose line it is, without its text
	cells  []cell
	at     int    // where the next character goes
	color  string // the sequences that are in force there
	headed bool   // the output stands behind the line's head, or in the line
	drawn  bool   // the cells are on the output as they are
}

// cell is a character and the colours that it was written in.
type cell struct {
	color string
	bytes [utf8.UTFMax]byte
	size  uint8
}

const (
	// widest bounds what is held of a row: what is longer is no bar, and is written out before more of it comes.
	widest = 4 << 10
	// mostColor bounds the sequences in force: programs that never reset theirs set all of it anew each time.
	mostColor = 256
)

// write draws more text.
func (r *row) write(text []byte) {
	for len(text) > 0 {
		r.drawn = false
		n := sgr(text)
		switch erased := erasing(text); {
		case n > 0:
			r.paint(text[:n])
		case erased > 0:
			n = erased
			r.erase(text[n-2] == '2')
		case text[0] == '\r':
			n, r.at = 1, 0
		default:
			_, n = utf8.DecodeRune(text)
			r.put(text[:n])
		}
		text = text[n:]
	}
}

func (r *row) paint(sequence []byte) {
	switch {
	case bytes.Equal(sequence, []byte("\x1b[m")), bytes.Equal(sequence, []byte(reset)):
		r.color = ""
	case len(r.color)+len(sequence) > mostColor:
		r.color = string(sequence)
	default:
		r.color += string(sequence)
	}
}

func (r *row) put(char []byte) {
	c := cell{color: r.color, size: uint8(len(char))}
	copy(c.bytes[:], char)
	if r.at == len(r.cells) {
		r.cells = append(r.cells, c)
	} else {
		r.cells[r.at] = c
	}
	r.at++
}

// erase forgets what stands from here on, or all.
func (r *row) erase(all bool) {
	r.cells = r.cells[:r.at]
	if all {
		for n := range r.cells {
			r.cells[n] = cell{bytes: [utf8.UTFMax]byte{' '}, size: 1}
		}
	}
}

// erasing returns the length of the sequence at text's start that erases the rest of a row (ESC [ K, ESC [ 0 K) or all
// of it (ESC [ 2 K).
func erasing(text []byte) int {
	for _, sequence := range []string{"\x1b[K", "\x1b[0K", "\x1b[2K"} {
		if bytes.HasPrefix(text, []byte(sequence)) {
			return len(sequence)
		}
	}
	return 0
}

// appendTo returns what is drawn, with its colours.
func (r *row) appendTo(dst []byte) []byte {
	color := ""
	for n := range r.cells {
		c := &r.cells[n]
		if c.color != color {
			if color != "" {
				dst = append(dst, reset...)
			}
			color = c.color
			dst = append(dst, color...)
		}
		dst = append(dst, c.bytes[:c.size]...)
	}
	return dst
}

// bar writes a piece of a line that was drawn over. Who follows sees each piece as it comes, in a row of its own; who
// does not, the line as it was in the end.
func (l *Lines) bar(e *archive.Entry) {
	if l.row == nil {
		l.row = &row{headed: l.open != nil}
	}
	r := l.row
	r.of, l.open = *e, e.Instance
	r.of.Text = nil
	r.write(e.Text)
	switch {
	case !e.Partial:
		l.end()
	case l.style.Flush:
		l.draw()
		l.buf = append(l.buf, '\n')
		r.headed = false
	case len(r.cells) > widest:
		l.draw()
		r.cells, r.at = r.cells[:0], 0
	}
}

// draw writes the row that is held.
func (l *Lines) draw() {
	r := l.row
	if r.drawn {
		return
	}
	if !r.headed {
		l.head(&r.of)
	}
	r.headed, r.drawn = true, true
	l.buf = l.body(l.buf, r.appendTo(nil))
}

// end ends the line that is open.
func (l *Lines) end() {
	begun := true
	if l.row != nil {
		l.draw()
		begun = l.row.headed
	}
	if begun {
		l.buf = append(l.buf, '\n')
	}
	l.open, l.row = nil, nil
}
