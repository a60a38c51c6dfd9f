package archivetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/read"
)

// Oracle answers a query on one log in the plainest way there is: with all its lines in memory.
func Oracle(lines []archive.Line, i archive.Instance, q archive.Query) []archive.Entry {
	var entries []archive.Entry
	offset, at := int64(0), int64(0)
	for n, line := range lines {
		e := archive.Entry{Line: line, Number: int64(n + 1), Offset: offset}
		offset += size(line)
		if line.Time != 0 {
			at = line.Time
		}
		if e.Number < q.FirstLine || q.LastLine > 0 && e.Number > q.LastLine {
			continue
		}
		if !cutToBytes(&e, q.FromByte, q.ToByte) {
			continue
		}
		if !q.Since.IsZero() && at < q.Since.UnixNano() || !q.Until.IsZero() && at >= q.Until.UnixNano() {
			continue
		}
		entries = append(entries, e)
	}
	if q.Grep != nil {
		entries = oracleGrep(entries, q.Grep)
	}
	after, resumed := q.After[i.ID()]
	if resumed {
		entries = slices.DeleteFunc(entries, func(e archive.Entry) bool { return e.Number <= after })
	}
	if q.Tail != nil && !resumed {
		entries = entries[max(0, len(entries)-int(*q.Tail)):]
	}
	return entries
}

func size(l archive.Line) int64 {
	if l.Partial {
		return int64(len(l.Text))
	}
	return int64(len(l.Text)) + 1
}

func cutToBytes(e *archive.Entry, from, to int64) bool {
	whole := e.Text
	if !e.Partial {
		whole = append(slices.Clone(e.Text), '\n')
	}
	start, end := max(from, e.Offset), e.Offset+int64(len(whole))
	if to > 0 {
		end = min(end, to)
	}
	if start >= end {
		// A line without any byte, as the cut end of a log may be, lies where its offset is.
		return len(whole) == 0 && e.Offset >= from && (to == 0 || e.Offset < to)
	}
	whole = whole[start-e.Offset : end-e.Offset]
	e.Offset = start
	e.Text, e.Partial = whole, true
	if bytes.HasSuffix(whole, []byte("\n")) {
		e.Text, e.Partial = whole[:len(whole)-1], false
	}
	return true
}

func oracleGrep(entries []archive.Entry, g *archive.Grep) []archive.Entry {
	pattern := g.Pattern
	if g.Fixed {
		pattern = regexp.QuoteMeta(pattern)
	}
	if g.Fold {
		pattern = "(?i)" + pattern
	}
	match := func(text []byte) bool { return bytes.Contains(text, []byte(g.Pattern)) }
	if !g.Fixed || g.Fold {
		match = regexp.MustCompile(pattern).Match
	}
	matches := make([]bool, len(entries))
	wanted := make([]bool, len(entries))
	for i, e := range entries {
		if matches[i] = match(e.Text) != g.Invert; !matches[i] {
			continue
		}
		for k := i; k <= min(i+g.After, len(entries)-1); k++ {
			wanted[k] = true
		}
		for k, room := i, archive.MaxContextBytes+len(e.Text); k >= max(0, i-g.Before); k-- {
			if room -= len(entries[k].Text); room < 0 {
				break
			}
			wanted[k] = true
		}
	}
	var out []archive.Entry
	for i, e := range entries {
		if wanted[i] {
			e.Context = !matches[i]
			out = append(out, e)
		}
	}
	return out
}

// CutToLimit cuts a whole answer to so many bytes.
func CutToLimit(entries []archive.Entry, bytes int64) []archive.Entry {
	if bytes == 0 {
		return entries
	}
	for i := range entries {
		e := &entries[i]
		if n := size(e.Line); n > bytes {
			e.Text, e.Partial = e.Text[:min(int64(len(e.Text)), bytes)], true
			return entries[:i+1]
		} else if bytes -= n; bytes == 0 {
			return entries[:i+1]
		}
	}
	return entries
}

// Difference returns how two answers differ, "" where they do not.
func Difference(got, want []archive.Entry) string {
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if g.Number != w.Number || g.Offset != w.Offset || g.Time != w.Time || g.Partial != w.Partial || g.Context != w.Context ||
			!bytes.Equal(g.Text, w.Text) {
			return fmt.Sprintf("entry %d is %s, want %s", i, EntryText(g), EntryText(w))
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d entries, want %d", len(got), len(want))
	}
	return ""
}

// EntryText returns an entry as a failure of a test names it.
func EntryText(e archive.Entry) string {
	return fmt.Sprintf("[line %d at %d, time %d, partial %v, context %v, %d bytes %.20q]",
		e.Number, e.Offset, e.Time, e.Partial, e.Context, len(e.Text), e.Text)
}

// RandomQuery returns a query that bounds some of what can be bounded.
func RandomQuery(r *rand.Rand, t archive.Target, i archive.Instance, lines []archive.Line) archive.Query {
	q := archive.Query{Target: t}
	all := int64(0)
	for _, l := range lines {
		all += size(l)
	}
	n := int64(len(lines))
	when := func() time.Time {
		if n == 0 || r.IntN(10) == 0 {
			return time.Unix(0, Start-r.Int64N(1e10))
		}
		return time.Unix(0, max(1, lines[r.Int64N(n)].Time+r.Int64N(3)-1))
	}
	if r.IntN(3) == 0 {
		q.Since = when()
	}
	if r.IntN(3) == 0 {
		if q.Until = when(); q.Until.Before(q.Since) {
			q.Since, q.Until = q.Until, q.Since
		}
	}
	if r.IntN(4) == 0 {
		q.FirstLine = r.Int64N(n + 2)
	}
	if r.IntN(4) == 0 {
		q.LastLine = q.FirstLine + r.Int64N(n+2)
	}
	if r.IntN(4) == 0 {
		q.FromByte = r.Int64N(all + 2)
	}
	if r.IntN(4) == 0 {
		q.ToByte = q.FromByte + r.Int64N(all+2)
	}
	if r.IntN(3) == 0 {
		tail := r.Int64N(n + 2)
		q.Tail = &tail
	}
	if r.IntN(6) == 0 {
		q.LimitBytes = r.Int64N(all + 2)
	}
	if r.IntN(6) == 0 {
		q.After = map[archive.LogID]int64{i.ID(): r.Int64N(n + 2)}
	}
	if r.IntN(3) == 0 {
		patterns := []string{"error", "INFO", "step 4", "", "nothing has this", "[Ww]arn.*[0-9]$", "^$", "\x00", "huge", "e", "."}
		q.Grep = &archive.Grep{
			Pattern: patterns[r.IntN(len(patterns))], Fixed: r.IntN(2) == 0, Fold: r.IntN(3) == 0, Invert: r.IntN(5) == 0,
			Before: r.IntN(3) * r.IntN(4), After: r.IntN(3) * r.IntN(4),
		}
	}
	return q
}

// QueryText returns what a query bounds as a failure of a test names it.
func QueryText(q archive.Query) string {
	text := fmt.Sprintf("since %v until %v lines %d-%d bytes %d-%d limit %d after %v",
		q.Since.UnixNano(), q.Until.UnixNano(), q.FirstLine, q.LastLine, q.FromByte, q.ToByte, q.LimitBytes, q.After)
	if q.Tail != nil {
		text += fmt.Sprintf(" tail %d", *q.Tail)
	}
	if q.Grep != nil {
		text += fmt.Sprintf(" grep %+v", *q.Grep)
	}
	return text
}

// CompareWithOracle asks a reader 25 random queries, and fails the test where it answers anything else than Oracle
// does. where says in what state the log is.
func (s *Shelf) CompareWithOracle(r *rand.Rand, where string, reader *read.Reader, lines []archive.Line) {
	s.T.Helper()
	for range 25 {
		q := RandomQuery(r, WholeJob, Instance("main"), lines)
		_, got := ReadWhole(s.T, reader, q)
		want := CutToLimit(Oracle(lines, Instance("main"), q), q.LimitBytes)
		if diff := Difference(got, want); diff != "" {
			s.T.Fatalf("%s, %d lines, %s: %s", where, len(lines), QueryText(q), diff)
		}
	}
}
