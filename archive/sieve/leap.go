package sieve

import (
	"bytes"
	"context"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// canLeap reports whether a frame's lines need not be taken apart one by one: only those matter that hold the needle of
// a Grep, or that the query's Find finds.
func (s *Sieve) canLeap(p format.Piece) bool {
	g := s.grep
	switch {
	case p.FirstLine < s.Seen || len(p.Times) == 0:
		return false
	case g == nil && s.Query.Find == nil:
		return false
	case g != nil && (g.Invert || g.Before+g.After+s.pending > 0 || len(g.Needle) == 0):
		return false
	}
	return len(p.Marks) == 0 || s.find(p.Text) < 0 // a marked line may have no end or no time
}

// find returns the offset of what is looked for in some lines, -1 where it is in none.
func (s *Sieve) find(text []byte) int {
	if s.grep == nil {
		return s.Query.Find(text)
	}
	return bytes.Index(text, s.grep.Needle)
}

// leap lets a frame through from one needle to the next. It returns false where the consumer has had enough, or the
// context has ended.
func (s *Sieve) leap(ctx context.Context, p format.Piece, yield func(archive.Entry, error) bool) bool {
	line, at := 0, 0
	for !s.Done {
		hit := s.find(p.Text[at:])
		if hit < 0 {
			break
		}
		start := at + 1 + bytes.LastIndexByte(p.Text[at:at+hit], '\n')
		line += bytes.Count(p.Text[at:start], newline)
		size := bytes.IndexByte(p.Text[start:], '\n')
		if size < 0 || line >= len(p.Times) {
			break // not what its head says; nothing else reads on here either
		}
		e := archive.Entry{
			Line:   archive.Line{Time: p.Times[line], Text: p.Text[start : start+size]},
			Number: p.FirstLine + int64(line) + 1, Offset: p.Offset, Instance: s.Instance,
		}
		if p.Offset >= 0 {
			e.Offset += int64(start)
		}
		line, at = line+1, start+size+1
		s.Seen, s.raw = e.Number, e.Offset
		if e.Offset >= 0 {
			s.raw += int64(size) + 1
		}
		if !s.line(&e, s.noTime, yield) || s.turn.matched(ctx, size) != nil {
			return false
		}
	}
	if !s.Done {
		s.passed(p)
	}
	return true
}

var newline = []byte{'\n'}

// noTime stands for a search that is not needed: a line without a mark has a time.
func (s *Sieve) noTime() int64 { return 0 }

// passed counts the lines of a frame as seen.
func (s *Sieve) passed(p format.Piece) {
	end := p.FirstLine + int64(len(p.Times))
	if s.Seen, s.raw = end, -1; p.Offset >= 0 {
		s.raw = p.Offset + int64(len(p.Text))
	}
	if n := len(p.Times); p.Times[n-1] != 0 {
		s.at, s.atKnown = p.Times[n-1], true
	}
	q := s.Query
	s.Done = q.LastLine > 0 && end >= q.LastLine || q.ToByte > 0 && s.raw >= q.ToByte
}
