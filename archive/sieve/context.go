package sieve

import (
	"bytes"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// contextLines are the lines before a line that may match.
type contextLines struct {
	lines []archive.Entry
	head  int // lines that count no more, at the start
	own   int // lines with a text of their own, at the start
	size  int // bytes of the texts
	room  *ContextRoom
}

// ContextRoom is what the logs of an answer hold together of lines that may be before a match. Of thousands that are
// followed each may hold what a single one may; where that is too much in all, a log drops of its own. nil: that of a
// log alone. Owned by whoever ranges over the answer.
type ContextRoom struct{ used int }

const (
	// MaxContextRoom is how many bytes of lines before a match the logs of one answer hold together.
	MaxContextRoom = 2 * archive.MaxContextBytes
	// ContextEntry is how many bytes a line takes besides its text, with what a slice has to grow.
	ContextEntry = 256
)

func (r *ContextRoom) take(bytes int) {
	if r != nil {
		r.used += bytes
	}
}

func (r *ContextRoom) short() bool { return r != nil && r.used > MaxContextRoom }

func (c *contextLines) add(e *archive.Entry, most int) {
	if most == 0 {
		return
	}
	c.lines = append(c.lines, *e)
	c.size += len(e.Text)
	c.room.take(len(e.Text) + ContextEntry)
	for len(c.lines)-c.head > most || c.head < len(c.lines) && (c.size > archive.MaxContextBytes || c.room.short()) {
		c.size -= len(c.lines[c.head].Text)
		c.room.take(-len(c.lines[c.head].Text) - ContextEntry)
		c.lines[c.head] = archive.Entry{}
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

// take returns the lines and forgets them. They are good until the next one is added.
func (c *contextLines) take() []archive.Entry {
	lines := c.lines[c.head:]
	c.room.take(-c.size - ContextEntry*len(lines))
	c.lines, c.head, c.own, c.size = c.lines[:0], 0, 0, 0
	return lines
}

// forget is for a log of which no more is matched.
func (c *contextLines) forget() {
	c.take()
	c.lines = nil
}
