package archive

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// contextLines are the lines before a line that may match.
type contextLines struct {
	lines []Entry
	head  int // lines that count no more, at the start
	own   int // lines with a text of their own, at the start
	size  int // bytes of the texts
	room  *contextRoom
}

// contextRoom is what the logs of an answer hold together of lines that may be before a match. Of thousands that are followed each may
// hold what a single one may; where that is too much in all, a log drops of its own. nil: that of a log alone. Owned by who
// ranges over the answer.
type contextRoom struct{ used int }

const (
	maxContextRoom = 2 * MaxContextBytes
	contextEntry   = 256 // bytes that a line takes besides its text, with what a slice has to grow
)

func (r *contextRoom) take(bytes int) {
	if r != nil {
		r.used += bytes
	}
}

func (r *contextRoom) short() bool { return r != nil && r.used > maxContextRoom }

func (c *contextLines) add(e *Entry, most int) {
	if most == 0 {
		return
	}
	c.lines = append(c.lines, *e)
	c.size += len(e.Text)
	c.room.take(len(e.Text) + contextEntry)
	for len(c.lines)-c.head > most || c.head < len(c.lines) && (c.size > MaxContextBytes || c.room.short()) {
		c.size -= len(c.lines[c.head].Text)
		c.room.take(-len(c.lines[c.head].Text) - contextEntry)
		c.lines[c.head] = Entry{}
		c.head++
	}
	const few = 16
	if c.head > few && c.head > len(c.lines)/2 {
		c.own = max(0, c.own-c.head)
		if left := c.lines[c.head:]; cap(c.lines) > 4*(len(left)+few) {
			c.lines = slices.Clone(left)
		} else {
			c.lines = c.lines[:copy(c.lines, left)]
		}
		c.head = 0
	}
}

// detach copies the texts that point into a frame, for the frame goes.
func (c *contextLines) detach() {
	for i := max(c.own, c.head); i < len(c.lines); i++ {
		c.lines[i].Text = bytes.Clone(c.lines[i].Text)
	}
	c.own = len(c.lines)
}

// take gives the lines and forgets them. They are good until the next one is added.
func (c *contextLines) take() []Entry {
	lines := c.lines[c.head:]
	c.room.take(-c.size - contextEntry*len(lines))
	c.lines, c.head, c.own, c.size = c.lines[:0], 0, 0, 0
	return lines
}

// forget is for a log of which no more is matched.
func (c *contextLines) forget() {
	c.take()
	c.lines = nil
}

// needle gives a text that every line holds which the expression matches; "" where none is known.
func needle(pattern string) string {
	expr, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	return needleOf(expr.Simplify())
}

func needleOf(expr *syntax.Regexp) string {
	switch expr.Op {
	case syntax.OpLiteral:
		// A byte that is no UTF-8 matches the rune that stands for such bytes.
		if expr.Flags&syntax.FoldCase == 0 && !slices.Contains(expr.Rune, utf8.RuneError) {
			return string(expr.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needleOf(expr.Sub[0])
	case syntax.OpRepeat:
		if expr.Min > 0 {
			return needleOf(expr.Sub[0])
		}
	case syntax.OpConcat:
		longest := ""
		for _, sub := range expr.Sub {
			if n := needleOf(sub); len(n) > len(longest) {
				longest = n
			}
		}
		return longest
	}
	return ""
}
