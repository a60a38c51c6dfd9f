package read_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/read"
)

// goOn reads an answer that breaks off after each of its lines, and is resumed.
func goOn(t *testing.T, r *read.Reader, q archive.Query, i archive.Instance) (entries []archive.Entry) {
	t.Helper()
	for {
		a, err := r.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n := len(entries)
		for e, err := range a.Entries {
			if err != nil {
				t.Fatal(err)
			}
			e.Text = bytes.Clone(e.Text)
			entries = append(entries, e)
			break
		}
		if len(entries) == n {
			return entries
		}
		q.After = map[archive.LogID]int64{i.ID(): entries[n].Number}
	}
}

// TestResumedAnswersAreNoOthers: what is broken off after each line is in the end what one answer gives.
func TestResumedAnswersAreNoOthers(t *testing.T) {
	stamped := func(n int, at int64) archive.Line {
		return archive.Line{Time: at, Text: fmt.Appendf(nil, "line %d", n)}
	}
	context := archivetest.LinesTimedByNumber(10)
	context[3].Text, context[9].Text = []byte("match"), []byte("match")
	var frames []archive.Line
	for n, at := range []int64{archivetest.Start, archivetest.Start + 5e9, 0, archivetest.Start + 6e9} {
		frames = append(frames, stamped(n, at))
	}
	for _, test := range []struct {
		name  string
		lines []archive.Line
		query archive.Query
	}{
		{"lines after a match", context, archive.Query{Grep: &archive.Grep{Pattern: "match", Before: 1, After: 3}}},
		{"lines that do not match, and those after them", context, archive.Query{Grep: &archive.Grep{Pattern: "line", After: 2, Invert: true}}},
		{"a line without a time behind two small frames", frames, archive.Query{Since: time.Unix(0, archivetest.Start+3e9)}},
		{"an empty part of a line at the start", []archive.Line{{Time: archivetest.Start, Partial: true}, {Time: archivetest.Start + 1, Text: []byte("text")}},
			archive.Query{ToByte: 3}},
		{"an empty part of a line at the bound", []archive.Line{{Time: archivetest.Start, Text: []byte("abc")}, {Time: archivetest.Start + 1, Partial: true}},
			archive.Query{FromByte: 4}},
		{"no byte of a line", []archive.Line{{Time: archivetest.Start, Text: []byte("abc")}}, archive.Query{FromByte: 1, ToByte: 1}},
		{"the same, before the bound of a tail", []archive.Line{{Time: archivetest.Start, Text: []byte("abc")}, {Time: archivetest.Start + 1, Partial: true}},
			archive.Query{ToByte: 4, Tail: new(int64(1))}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := archivetest.NewShelf(t)
			log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
			for _, line := range test.lines {
				if _, err := log.Append(line); err != nil {
					t.Fatal(err)
				}
				if err := log.Flush(); err != nil { // a small frame each
					t.Fatal(err)
				}
			}
			flush(t, s.Journal())
			check := func(where string, r *read.Reader) {
				t.Helper()
				q := test.query
				q.Target = archivetest.WholeJob
				want := archivetest.Oracle(test.lines, archivetest.Instance("main"), q)
				if _, got := archivetest.ReadWhole(t, r, q); archivetest.Difference(got, want) != "" {
					t.Errorf("%s: %s", where, archivetest.Difference(got, want))
				}
				if got := goOn(t, r, q, archivetest.Instance("main")); archivetest.Difference(got, want) != "" {
					t.Errorf("%s, resumed after each line: %s", where, archivetest.Difference(got, want))
				}
			}
			check("here", s.Reader)
			check("elsewhere", s.Remote())
			if err := s.Seal(t.Context(), "main"); err != nil {
				t.Fatal(err)
			}
			check("sealed", s.Reader)
		})
	}
}
