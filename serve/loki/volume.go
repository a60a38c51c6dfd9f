package loki

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// within gives how many lines and bytes a log has between two times, by its manifest: of one that lies over an edge the
// part of its time that lies within.
func (l *keptLog) within(from, to int64, now time.Time) (lines, bytes float64) {
	first, last := l.first, l.last
	if l.open {
		first, last = l.from, now.UnixNano()
	}
	part := share(from, to, first, last)
	return float64(l.lines) * part, float64(l.bytes) * part
}

// share is the part of the times first to last, both included, that lies from <= time < to.
func share(from, to, first, last int64) float64 {
	low, high := max(from, first), min(to-1, last)
	if high < low {
		return 0
	}
	return (float64(high-low) + 1) / (float64(last-first) + 1)
}

// stats answers with how much a selector picks.
func (a *api) stats(q *question) error {
	start, end := q.span()
	streams, logs, lines, bytes := map[string]bool{}, 0, 0.0, 0.0
	err := q.streams(a, q.selected(), func(l *keptLog, stream *logql.Stream) error {
		streams[stream.Labels.String()] = true
		if stream == l.stream {
			n, size := l.within(start.UnixNano(), end.UnixNano(), q.now)
			logs, lines, bytes = logs+1, lines+n, bytes+size
		}
		return nil
	})
	if err != nil {
		return err
	}
	return answerJSON(q.w, struct {
		Streams int   `json:"streams"`
		Chunks  int   `json:"chunks"` // logs
		Bytes   int64 `json:"bytes"`
		Entries int64 `json:"entries"`
	}{len(streams), logs, int64(math.Round(bytes)), int64(math.Round(lines))})
}

// volumes are bytes of text by the labels that are asked for.
type volumes struct {
	labels   []string // none: all
	byLabel  bool     // by the names of labels alone
	narrowed bool
	bytes    map[string]*volume
}

type volume struct {
	labels logql.Labels
	at     int64
	bytes  float64
}

// volumesOf reads how volumes are to be put together: by targetLabels, else by the labels that the selector names, else
// by all.
func (q *question) volumesOf(matchers []logql.Matcher) *volumes {
	v := &volumes{bytes: map[string]*volume{}}
	switch q.text("aggregateBy") {
	case "", "series":
	case "labels":
		v.byLabel = true
	default:
		q.fail("invalid aggregation option")
	}
	for name := range strings.SplitSeq(q.text("targetLabels"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			v.labels, v.narrowed = append(v.labels, name), true
		}
	}
	if !v.narrowed && !v.byLabel {
		for i := range matchers {
			v.labels = append(v.labels, matchers[i].Name)
		}
	}
	return v
}

func (v *volumes) add(stream logql.Labels, at int64, bytes float64) {
	var picked logql.Labels
	for _, l := range stream {
		if len(v.labels) == 0 || slices.Contains(v.labels, l.Name) {
			picked = append(picked, l)
		}
	}
	if !v.byLabel {
		v.take(picked, at, bytes)
		return
	}
	for _, l := range picked {
		v.take(logql.Labels{{Name: l.Name}}, at, bytes)
	}
}

func (v *volumes) take(labels logql.Labels, at int64, bytes float64) {
	key := labels.String() + strconv.FormatInt(at, 10)
	if v.bytes[key] == nil {
		v.bytes[key] = &volume{labels: labels, at: at}
	}
	v.bytes[key].bytes += bytes
}

// largest gives so many of them, the largest first.
func (v *volumes) largest(limit int) []*volume {
	all := make([]*volume, 0, len(v.bytes))
	for _, x := range v.bytes {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *volume) int {
		return cmp.Or(-cmp.Compare(a.bytes, b.bytes), strings.Compare(a.labels.String(), b.labels.String()))
	})
	return all[:min(limit, len(all))]
}

func (q *question) volumeLimit() int {
	n := q.number("limit", usualLimit)
	if n == 0 {
		return usualLimit
	}
	return n
}

// volume answers with the bytes of text that a selector picks, by labels.
func (a *api) volume(q *question) error {
	start, end := q.span()
	matchers, limit := q.selected(), q.volumeLimit()
	v := q.volumesOf(matchers)
	if err := a.sum(q, v, matchers, []int64{start.UnixNano(), end.UnixNano()}); err != nil {
		return err
	}
	result := logql.Vector{}
	for _, x := range v.largest(limit) {
		result = append(result, logql.Sample{Labels: x.labels, Point: logql.Point{Time: x.at, Value: math.Round(x.bytes)}})
	}
	return q.result(result, time.Now())
}

// volumeRange answers with the same for each step.
func (a *api) volumeRange(q *question) error {
	start, end := q.span()
	step := q.step(start, end)
	matchers, limit := q.selected(), q.volumeLimit()
	v := q.volumesOf(matchers)
	if q.err != nil {
		return q.err
	}
	var edges []int64
	for at := start.UnixNano(); at < end.UnixNano(); at += int64(step) {
		edges = append(edges, at)
	}
	if err := a.sum(q, v, matchers, append(edges, end.UnixNano())); err != nil {
		return err
	}
	series := map[string]*logql.Series{}
	total := &volumes{bytes: map[string]*volume{}}
	for _, x := range v.bytes {
		total.take(x.labels, 0, x.bytes)
		key := x.labels.String()
		if series[key] == nil {
			series[key] = &logql.Series{Labels: x.labels}
		}
		series[key].Points = append(series[key].Points, logql.Point{Time: x.at, Value: math.Round(x.bytes)})
	}
	result := logql.Matrix{}
	for _, x := range total.largest(limit) {
		s := series[x.labels.String()]
		slices.SortFunc(s.Points, func(a, b logql.Point) int { return cmp.Compare(a.Time, b.Time) })
		result = append(result, *s)
	}
	return q.result(result, time.Now())
}

// sum sums up the logs between each two edges. What lies there is told with the second one as its time.
func (a *api) sum(q *question, v *volumes, matchers []logql.Matcher, edges []int64) error {
	return q.streams(a, matchers, func(l *keptLog, stream *logql.Stream) error {
		if stream != l.stream {
			return nil
		}
		begin, _ := slices.BinarySearch(edges, l.from) // the first edge that is not before it
		for i := max(begin, 1); i < len(edges) && edges[i-1] <= l.to; i++ {
			if _, bytes := l.within(edges[i-1], edges[i], q.now); bytes > 0 {
				v.add(stream.Labels, edges[i], bytes)
			}
		}
		if len(v.bytes) > mostVolumes {
			return &logql.CeilingError{What: "volumes", Most: mostVolumes}
		}
		return nil
	})
}

// mostVolumes bounds the sums of one answer.
const mostVolumes = 100_000
