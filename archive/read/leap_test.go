package read_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// TestFind: what is found is given, with its number and its time, also behind lines that are cut or have no time.
func TestFind(t *testing.T) {
	s := archivetest.NewShelf(t)
	var lines []archive.Line
	for n := range 6000 {
		line := archive.Line{Time: linetest.Base + int64(n), Text: fmt.Appendf(nil, "line %d of %0120d", n, n%97)}
		switch {
		case n%7 == 0:
			line.Text = append(line.Text, " needle"...)
		case n%1501 == 0:
			line.Partial = true
		case n%2003 == 0:
			line.Time = 0
		}
		lines = append(lines, line)
	}
	s.Append("main", lines)
	find := func(text []byte) int { return bytes.Index(text, []byte("needle")) }
	for _, q := range []archive.Query{
		{}, {Since: time.Unix(0, linetest.Base+1000), Until: time.Unix(0, linetest.Base+5000)}, {FirstLine: 100, LastLine: 4000},
	} {
		q.Target = archivetest.WholeJob
		want := found(t, s, q)
		q.Find = find
		got := found(t, s, q)
		if len(want) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: got %d lines, want %d", q, len(got), len(want))
		}
	}
}

// found gives number and time of the lines with the needle.
func found(t *testing.T, s *archivetest.Shelf, q archive.Query) (all [][2]int64) {
	t.Helper()
	answer, err := s.Reader.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range answer.Entries {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(e.Text, []byte("needle")) {
			all = append(all, [2]int64{e.Number, e.Time})
		}
	}
	return all
}
