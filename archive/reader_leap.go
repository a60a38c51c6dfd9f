package archive

import (
	"bytes"
	"context"
)

// canLeap says that a frame's lines need not be taken apart one by one: only those matter that hold the needle of a Grep.
func (s *sieve) canLeap(p piece) bool {
	g := s.grep
	if g == nil || g.Invert || g.Before+g.After+s.pending > 0 || len(g.needle) == 0 || p.firstLine < s.seen || len(p.times) == 0 {
		return false
	}
	return len(p.marks) == 0 || !bytes.Contains(p.text, g.needle) // a marked line may have no end or no time
}

// leap lets a frame through from one needle to the next. It returns false where the consumer has had enough, or the
// context has ended.
func (s *sieve) leap(ctx context.Context, p piece, yield func(Entry, error) bool) bool {
	needle, line, at := s.grep.needle, 0, 0
	for !s.done {
		hit := bytes.Index(p.text[at:], needle)
		if hit < 0 {
			break
		}
		start := at + 1 + bytes.LastIndexByte(p.text[at:at+hit], '\n')
		line += bytes.Count(p.text[at:start], newline)
		size := bytes.IndexByte(p.text[start:], '\n')
		if size < 0 || line >= len(p.times) {
			break // not what its head says; nothing else reads on here either
		}
		e := Entry{
			Line:   Line{Time: p.times[line], Text: p.text[start : start+size]},
			Number: p.firstLine + int64(line) + 1, Offset: p.offset, Instance: s.instance,
		}
		if p.offset >= 0 {
			e.Offset += int64(start)
		}
		line, at = line+1, start+size+1
		s.seen, s.raw = e.Number, e.Offset
		if e.Offset >= 0 {
			s.raw += int64(size) + 1
		}
		if !s.line(&e, s.noTime, yield) || s.turn.matched(ctx, size) != nil {
			return false
		}
	}
	if !s.done {
		s.passed(p)
	}
	return true
}

var newline = []byte{'\n'}

// noTime stands for a search that is not needed: a line without a mark has a time.
func (s *sieve) noTime() int64 { return 0 }

// passed counts the lines of a frame as seen.
func (s *sieve) passed(p piece) {
	end := p.firstLine + int64(len(p.times))
	if s.seen, s.raw = end, -1; p.offset >= 0 {
		s.raw = p.offset + int64(len(p.text))
	}
	if n := len(p.times); p.times[n-1] != 0 {
		s.at, s.atKnown = p.times[n-1], true
	}
	q := s.query
	s.done = q.LastLine > 0 && end >= q.LastLine || q.ToByte > 0 && s.raw >= q.ToByte
}
