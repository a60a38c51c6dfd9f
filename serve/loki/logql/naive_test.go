package logql

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// naive evaluates a metric query at one moment out of all lines, by the words of the manual: it keeps everything,
// counts window by window, and knows no pages, no changes and no sums made early.
type naive struct{ entries []Entry }

// samples are by the text of their labels.
type samples map[string]naiveSample

type naiveSample struct {
	labels map[string]string
	value  float64
}

func (n *naive) at(e Expr, at int64) (samples, error) {
	switch q := e.(type) {
	case *literal:
		return samples{"map[]": {map[string]string{}, q.value}}, nil
	case *rangeQuery:
		return n.count(q, at)
	case *aggregation:
		return n.aggregate(q, at)
	case *binary:
		return n.binary(q, at)
	}
	return nil, fmt.Errorf("%T", e)
}

func (n *naive) count(q *rangeQuery, at int64) (samples, error) {
	out := samples{}
	pipe := newPipe(q.log)
	to := at - int64(q.offset)
	for _, x := range n.entries {
		if x.Time <= to-int64(q.window) || x.Time > to || !MatchAll(q.log.matchers, x.Stream.Labels) || !pipe.pass(x) {
			continue
		}
		labels := pipe.entry.merged().Map()
		if labels[errorLabel] != "" {
			return nil, errors.New(labels[errorLabel])
		}
		add := 1.0
		if strings.HasPrefix(q.op, "bytes") {
			add = float64(len(pipe.entry.line))
		}
		if strings.HasSuffix(q.op, "rate") {
			add /= q.window.Seconds()
		}
		key := fmt.Sprint(labels)
		out[key] = naiveSample{maps.Clone(labels), out[key].value + add}
	}
	for key, s := range out { // the names lie in the line
		own := map[string]string{}
		for name, value := range s.labels {
			own[strings.Clone(name)] = strings.Clone(value)
		}
		out[key] = naiveSample{own, s.value}
	}
	return out, nil
}

func naiveKeep(labels map[string]string, g *Grouping) map[string]string {
	out := map[string]string{}
	for name, value := range labels {
		if g != nil && slices.Contains(g.Labels, name) != g.Without && (value != "" || !g.Without) {
			out[name] = value
		}
	}
	return out
}

func (n *naive) aggregate(q *aggregation, at int64) (samples, error) {
	inner, err := n.at(q.inner, at)
	groups := map[string][]naiveSample{}
	for _, s := range inner {
		key := fmt.Sprint(naiveKeep(s.labels, q.group))
		groups[key] = append(groups[key], s)
	}
	out := samples{}
	for key, group := range groups {
		var values []float64
		sum := 0.0
		for _, s := range group {
			values = append(values, s.value)
			sum += s.value
		}
		value := map[string]float64{
			"sum": sum, "avg": sum / float64(len(values)), "count": float64(len(values)), "min": slices.Min(values), "max": slices.Max(values),
		}[q.op]
		out[key] = naiveSample{naiveKeep(group[0].labels, q.group), value}
	}
	return out, err
}

func (n *naive) binary(q *binary, at int64) (samples, error) {
	left, err := n.at(q.left, at)
	if err != nil {
		return nil, err
	}
	right, err := n.at(q.right, at)
	if err != nil {
		return nil, err
	}
	out := samples{}
	switch {
	case q.op == "and", q.op == "unless":
		for key, s := range left {
			if _, ok := right[key]; ok == (q.op == "and") {
				out[key] = s
			}
		}
		return out, nil
	case q.op == "or":
		maps.Copy(out, right)
		maps.Copy(out, left)
		return out, nil
	}
	for key, s := range left {
		other, ok := right[key]
		if isScalar(q.right) {
			other, ok = right["map[]"], true
		}
		if !ok {
			continue
		}
		value, holds := naiveCompute(q, s.value, other.value)
		if holds && !isScalar(q.right) {
			s.labels = naiveKeep(s.labels, &Grouping{Without: true})
			key = fmt.Sprint(s.labels)
		}
		if holds {
			out[key] = naiveSample{s.labels, value}
		}
	}
	return out, nil
}

func naiveCompute(q *binary, x, y float64) (float64, bool) {
	is, compared := map[string]bool{"==": x == y, "!=": x != y, ">": x > y, ">=": x >= y, "<": x < y, "<=": x <= y}[q.op]
	switch {
	case compared && q.truth && is:
		return 1, true
	case compared && q.truth:
		return 0, true
	case compared:
		return x, is
	case (q.op == "/" || q.op == "%") && y == 0:
		return math.NaN(), true
	}
	return map[string]float64{"+": x + y, "-": x - y, "*": x * y, "/": x / y, "%": math.Mod(x, y), "^": math.Pow(x, y)}[q.op], true
}

func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
}

// TestEngineIsNaive puts random queries over random windows to both.
func TestEngineIsNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	lines := oracleSource()
	reference := &naive{lines.entries}
	begin := oracleBase.UnixNano()
	found := 0
	for range 400 {
		text := randomMetric(rng, 2)
		p := Params{Start: begin + rng.Int64N(int64(2*oracleSpan)) - int64(oracleSpan/2), Step: time.Duration(rng.Int64N(int64(time.Minute)) + 1)}
		if rng.IntN(2) == 0 { // steps on whole seconds, where lines lie on the edges of windows
			p.Start, p.Step = p.Start/second*second, p.Step.Truncate(10*time.Second)+10*time.Second
		}
		p.End = p.Start + rng.Int64N(10)*int64(p.Step) + rng.Int64N(int64(p.Step))
		query := mustParse(t, text)
		sources := []Source{lines, &kept{entries: lines.entries, filters: true}, &counted{kept: lines}}
		r, err := Engine{}.Range(t.Context(), query, p, sources[rng.IntN(len(sources))])
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got := map[int64]samples{}
		for _, s := range r.(Matrix) {
			for _, x := range s.Points {
				if got[x.Time] == nil {
					got[x.Time] = samples{}
				}
				got[x.Time][fmt.Sprint(s.Labels.Map())] = naiveSample{value: x.Value}
				found++
			}
		}
		for at := p.Start; at <= p.End; at += int64(p.Step) {
			want, err := reference.at(query, at)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if !maps.EqualFunc(got[at], want, func(a, b naiveSample) bool { return near(a.value, b.value) }) {
				t.Fatalf("%s at %d of %+v:\ngot  %v\nwant %v", text, at, p, got[at], want)
			}
			delete(got, at)
		}
		if len(got) > 0 {
			t.Fatalf("%s: samples beside the steps: %v", text, got)
		}
	}
	if found < 1000 {
		t.Errorf("only %d samples", found)
	}
}
