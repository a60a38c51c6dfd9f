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
}

func (c *contextLines) add(e *Entry, most int) {
	if most == 0 {
		return
	}
	c.lines = append(c.lines, *e)
	c.size += len(e.Text)
	for len(c.lines)-c.head > most || c.size > MaxContextBytes {
		c.size -= len(c.lines[c.head].Text)
		c.lines[c.head] = Entry{}
		c.head++
	}
	const few = 16
	if c.head > few && c.head > len(c.lines)/2 {
		c.lines = c.lines[:copy(c.lines, c.lines[c.head:])]
		c.own, c.head = max(0, c.own-c.head), 0
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
	c.lines, c.head, c.own, c.size = c.lines[:0], 0, 0, 0
	return lines
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
