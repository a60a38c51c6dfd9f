package logql

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
)

// kept is a Source that keeps its entries.
type kept struct {
	entries []Entry // by time
	filters bool    // it applies the filter itself
	asked   []Ask
	given   int
}

func (k *kept) Entries(_ context.Context, ask Ask) iter.Seq2[Entry, error] {
	k.asked = append(k.asked, ask)
	return func(yield func(Entry, error) bool) {
		entries := slices.Clone(k.entries)
		if ask.Direction == Backward {
			slices.Reverse(entries)
		}
		for _, x := range entries {
			in := x.Time >= ask.From && x.Time < ask.To && MatchAll(ask.Matchers, x.Stream.Labels)
			if !in || k.filters && !ask.Filter.Pass(x.Line) {
				continue
			}
			k.given++
			// What is good until the next entry only is gone with it.
			line, meta := slices.Clone(x.Line), slices.Clone(x.Meta)
			x.Line, x.Meta = line, meta
			if !yield(x, nil) {
				return
			}
			for i := range line {
				line[i] = '!'
			}
			clear(meta)
		}
	}
}

// counted is a kept that can count.
type counted struct {
	*kept
	runs, whole int
}

// frameLines is how many lines a frame has.
const frameLines = 4

func (c *counted) Runs(_ context.Context, matchers []Matcher, labels Grouping, w Windows) (iter.Seq2[Run, error], bool) {
	if labels.Without || slices.Contains(labels.Labels, "line") {
		return nil, false
	}
	return func(yield func(Run, error) bool) {
		byStream := map[*Stream][]Entry{}
		for _, x := range c.entries {
			if MatchAll(matchers, x.Stream.Labels) {
				byStream[x.Stream] = append(byStream[x.Stream], x)
			}
		}
		for stream, entries := range byStream {
			for frame := range slices.Chunk(entries, frameLines) {
				if w.Whole(frame[0].Time, frame[len(frame)-1].Time) {
					c.whole++
					run := Run{Stream: stream, Time: frame[0].Time, Lines: int64(len(frame))}
					for _, x := range frame {
						run.Bytes += int64(len(x.Line))
					}
					frame = nil
					c.runs++
					if !yield(run, nil) {
						return
					}
				}
				for _, x := range frame {
					c.runs++
					if !yield(Run{Stream: stream, Time: x.Time, Lines: 1, Bytes: int64(len(x.Line))}, nil) {
						return
					}
				}
			}
		}
	}, true
}

func streamOf(pairs ...string) *Stream {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return &Stream{NewLabels(m)}
}

const second = int64(1e9)

// at gives entries of a stream, a second apart.
func at(stream *Stream, from int64, lines ...string) (all []Entry) {
	for i, line := range lines {
		all = append(all, Entry{Time: (from + int64(i)) * second, Line: []byte(line), Stream: stream})
	}
	return all
}

func merge(parts ...[]Entry) []Entry {
	all := slices.Concat(parts...)
	slices.SortStableFunc(all, func(a, b Entry) int { return int((a.Time - b.Time) / max(1, abs(a.Time-b.Time))) })
	return all
}

func abs(n int64) int64 { return max(n, -n) }

func mustParse(t testing.TB, query string) Expr {
	t.Helper()
	e, err := Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return e
}

// answerOf gives the lines of an answer, each with its labels.
func answerOf(t testing.TB, s Streams) string {
	t.Helper()
	var all []string
	for _, stream := range s {
		for _, x := range stream.Entries {
			all = append(all, stream.Labels.String()+" "+x.Line)
		}
	}
	return strings.Join(all, "\n")
}
