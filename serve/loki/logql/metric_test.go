package logql

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
)

// sheet gives a matrix as one line for each series: labels, and value@seconds.
func sheet(m Matrix) string {
	var all []string
	for _, s := range m {
		line := []string{s.Labels.String()}
		for _, p := range s.Points {
			line = append(line, fmt.Sprintf("%v@%v", p.Value, float64(p.Time)/1e9))
		}
		all = append(all, strings.Join(line, " "))
	}
	return strings.Join(all, "\n")
}

func vectorOf(v Vector) string {
	var all []string
	for _, s := range v {
		all = append(all, fmt.Sprintf("%s %v", s.Labels, s.Value))
	}
	return strings.Join(all, "\n")
}

// numbers has lines n=1 to n=4 at 1 s to 4 s in job a, of which every other one is an error, and two in job b.
func numbers() *kept {
	a, b := streamOf("job", "a", "ns", "x"), streamOf("job", "b", "ns", "x")
	return &kept{entries: merge(
		at(a, 1, "level=info n=1", "level=error n=2", "level=info n=3", "level=error n=4"),
		at(b, 1, "level=info n=5", "level=info n=60"),
	)}
}

func TestRangeOfNumbers(t *testing.T) {
	tests := []struct{ query, want string }{
		// A window holds its end and not its beginning; where it is empty there is no sample.
		{`count_over_time({job="a"}[2s])`, `{job="a", ns="x"} 1@1 2@2 2@3 2@4 1@5`},
		{`rate({job="a"}[2s])`, `{job="a", ns="x"} 0.5@1 1@2 1@3 1@4 0.5@5`},
		{`count_over_time({job="a"}[2s] offset 2s)`, `{job="a", ns="x"} 1@3 2@4 2@5 2@6`},
		{`bytes_over_time({job="b"}[1s])`, `{job="b", ns="x"} 14@1 15@2`},
		{`bytes_rate({job="b"}[2s])`, `{job="b", ns="x"} 7@1 14.5@2 7.5@3`},
		{`sum(count_over_time({ns="x"}[1s]))`, `{} 2@1 2@2 1@3 1@4`},
		{`sum by (job) (count_over_time({ns="x"}[1s]))`, "{job=\"a\"} 1@1 1@2 1@3 1@4\n{job=\"b\"} 1@1 1@2"},
		{`sum without (ns) (count_over_time({job="b"}[1s]))`, `{job="b"} 1@1 1@2`},
		{`sum by (level) (count_over_time({ns="x"} | logfmt [1s]))`, "{level=\"error\"} 1@2 1@4\n{level=\"info\"} 2@1 1@2 1@3"},
		{`count_over_time({job="a"} | logfmt | drop n [1s])`,
			"{job=\"a\", level=\"error\", ns=\"x\"} 1@2 1@4\n{job=\"a\", level=\"info\", ns=\"x\"} 1@1 1@3"},
		{`count by (ns) (count_over_time({ns="x"}[1s]))`, `{ns="x"} 2@1 2@2 1@3 1@4`},
		{`avg(bytes_over_time({ns="x"}[1s]))`, `{} 14@1 15@2 14@3 15@4`},
		{`min(bytes_over_time({ns="x"} |= "o" [2s]))`, `{} 14@1 29@2 15@3 29@4 15@5`},
		{`topk(1, bytes_over_time({ns="x"} |= "info" [1s]))`, "{job=\"a\", ns=\"x\"} 14@1 14@3\n{job=\"b\", ns=\"x\"} 15@2"},
		{`bottomk by (ns) (1, count_over_time({ns="x"}[1s]))`, `{job="a", ns="x"} 1@1 1@2 1@3 1@4`},
		{`count_over_time({job="b"}[1s]) * 2 + 1`, `{job="b", ns="x"} 3@1 3@2`},
		{`2 ^ count_over_time({job="b"}[2s])`, `{job="b", ns="x"} 2@1 4@2 2@3`},
		{`count_over_time({ns="x"}[1s]) / on (ns) sum by (ns) (count_over_time({ns="x"} |= "3" [1s]))`, `{ns="x"} 1@3`},
		{`count_over_time({job="a"} |= "error" [1s]) / count_over_time({ns="x"}[2s])`, `{job="a", ns="x"} 0.5@2 0.5@4`},
		{`count_over_time({job="a"}[2s]) > 1`, `{job="a", ns="x"} 2@2 2@3 2@4`},
		{`1 < count_over_time({job="a"}[2s])`, `{job="a", ns="x"} 2@2 2@3 2@4`},
		{`count_over_time({job="a"}[2s]) > bool 1`, `{job="a", ns="x"} 0@1 1@2 1@3 1@4 0@5`},
		{`sum(count_over_time({job="b"}[1s])) or vector(0)`, `{} 0@0 1@1 1@2 0@3 0@4 0@5 0@6`},
		{`count_over_time({ns="x"}[1s]) and ignoring (level) count_over_time({job="b"}[1s])`, `{job="b", ns="x"} 1@1 1@2`},
		{`count_over_time({ns="x"}[1s]) unless count_over_time({job="a"} |= "error" [1s])`,
			"{job=\"a\", ns=\"x\"} 1@1 1@3\n{job=\"b\", ns=\"x\"} 1@1 1@2"},
		{`vector(7) % 4`, `{} 3@0 3@1 3@2 3@3 3@4 3@5 3@6`},
		{`1 / 0`, `{} NaN@0 NaN@1 NaN@2 NaN@3 NaN@4 NaN@5 NaN@6`},
		{`count_over_time({job="none"}[1s])`, ``},
		{`count_over_time({job="a"} | json | __error__="" [1s])`, ``},
		{`sum(count_over_time({job="b"} | line_format "" [1s])) + sum(bytes_over_time({job="b"} | line_format "" [1s]))`, `{} 1@1 1@2`},
	}
	for _, tt := range tests {
		for name, source := range map[string]Source{"lines": numbers(), "counts": &counted{kept: numbers()}} {
			r, err := Engine{}.Range(t.Context(), mustParse(t, tt.query), Params{End: 6 * second, Step: time.Second}, source)
			if err != nil {
				t.Errorf("%s: %v", tt.query, err)
				continue
			}
			if got := sheet(r.(Matrix)); got != tt.want {
				t.Errorf("%s (%s):\ngot  %s\nwant %s", tt.query, name, got, tt.want)
			}
		}
	}
}

func TestInstant(t *testing.T) {
	tests := []struct{ query, want string }{
		{`vector(1)+vector(1)`, `{} 2`},
		{`count_over_time({ns="x"}[1m])`, "{job=\"a\", ns=\"x\"} 4\n{job=\"b\", ns=\"x\"} 2"},
		{`topk(1, count_over_time({ns="x"}[1m]))`, `{job="a", ns="x"} 4`},
		{`sum(rate({ns="x"}[1m]))`, `{} 0.1`},
		{`count_over_time({ns="x"}[1m]) > 9`, ``},
	}
	for _, tt := range tests {
		r, err := Engine{}.Instant(t.Context(), mustParse(t, tt.query), 10*second, numbers())
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		if got := vectorOf(r.(Vector)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.query, got, tt.want)
		}
	}
	scalars := map[string]float64{`1 + 2 * 3`: 7, `-2 ^ 2`: 4, `2 ^ 3 ^ 2`: 512, `7 % 4`: 3, `1 > 2`: 0, `2 >= bool 2`: 1, `1 == 1`: 1, `3 - 2 - 1`: 0}
	for query, want := range scalars {
		r, err := Engine{}.Instant(t.Context(), mustParse(t, query), 10*second, numbers())
		if got, ok := r.(Scalar); err != nil || !ok || got.Value != want || got.Time != 10*second {
			t.Errorf("%s: got %v, %v, want %v", query, r, err, want)
		}
	}
	if _, err := (Engine{}).Instant(t.Context(), mustParse(t, `{job="a"}`), 0, numbers()); err != ErrLogInstant {
		t.Errorf("a log query: %v", err)
	}
}

func TestEvalErrors(t *testing.T) {
	tests := []struct{ query, want string }{
		{`count_over_time({job="a"} | json [1s])`, `pipeline error: 'JSONParserErr' for series: '{__error__="JSONParserErr"`},
		{`sum(count_over_time({job="a"} | logfmt | level > 5 [1s]))`, `pipeline error: 'LabelFilterErr'`},
		{`vector(1) * on () count_over_time({ns="x"}[1s])`, `many-to-many matching not allowed`},
		{`count_over_time({ns="x"}[1s]) * on (ns) count_over_time({job="a"}[1s])`, `many-to-many matching not allowed`},
	}
	for _, tt := range tests {
		_, err := Engine{}.Range(t.Context(), mustParse(t, tt.query), Params{End: 6 * second, Step: time.Second}, numbers())
		if err == nil || !strings.Contains(err.Error(), tt.want) || !BadQuery(err) {
			t.Errorf("%s: got %v, want %s", tt.query, err, tt.want)
		}
	}
}

// TestTimesAreTold: what nanoseconds cannot tell is refused, and no window wraps around.
func TestTimesAreTold(t *testing.T) {
	const far = int64(7_258_118_400e9)
	for _, text := range []string{`count_over_time({ns="x"}[20y])`, `count_over_time({ns="x"}[20y] offset 20y)`, `count_over_time({ns="x"}[20y] offset -20y)`} {
		for _, at := range []int64{far - 1, 1 - far} {
			if r, err := (Engine{}).Instant(t.Context(), mustParse(t, text), at, numbers()); err != nil || len(r.(Vector)) != 0 {
				t.Errorf("%s at %d: got %v, %v", text, at, r, err)
			}
		}
	}
	query := mustParse(t, `count_over_time({ns="x"}[1m])`)
	if _, err := (Engine{}).Instant(t.Context(), query, far, numbers()); !BadQuery(err) {
		t.Errorf("got %v", err)
	}
	for _, p := range []Params{{End: far, Step: 1}, {Start: math.MinInt64, Step: 1}, {Start: 2, End: 1, Step: 1}, {End: 1}} {
		if _, err := (Engine{}).Range(t.Context(), query, p, numbers()); !BadQuery(err) {
			t.Errorf("%+v: got %v", p, err)
		}
	}
}

// TestManyAtOnce: a query and an engine hold nothing that two evaluations could share. (It says most with -race.)
func TestManyAtOnce(t *testing.T) {
	query := mustParse(t, `sum by (level) (count_over_time({ns="x"} |~ "(?i)LEVEL" | logfmt | n > 1 | line_format "{{.n}}" [1s]))`)
	const want = "{level=\"error\"} 1@2 1@4\n{level=\"info\"} 1@1 1@2 1@3"
	var all sync.WaitGroup
	answers := make([]string, 8)
	for i := range answers {
		all.Go(func() {
			r, err := Engine{}.Range(t.Context(), query, Params{End: 6 * second, Step: time.Second}, numbers())
			if err == nil {
				answers[i] = sheet(r.(Matrix))
			}
		})
	}
	all.Wait()
	for _, got := range answers {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWholeFramesAreCounted(t *testing.T) {
	var lines []string
	for range 400 {
		lines = append(lines, "x")
	}
	source := &counted{kept: &kept{entries: at(streamOf("job", "a"), 0, lines...)}}
	p := Params{Start: 100 * second, End: 400 * second, Step: 100 * time.Second}
	r, err := Engine{}.Range(t.Context(), mustParse(t, `sum by (job) (count_over_time({job="a"}[100s]))`), p, source)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sheet(r.(Matrix)), `{job="a"} 100@100 100@200 100@300 99@400`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if source.given != 0 || source.whole < 90 || source.runs > 120 {
		t.Errorf("%d entries read, %d frames counted whole, %d runs", source.given, source.whole, source.runs)
	}
	// What Grafana adds to each query, and what no label is asked of, changes nothing.
	for _, pipeline := range []string{"|= `` | drop __error__, __error_details__", "| json | logfmt", `|= "" |~ ""`} {
		query := `sum(count_over_time({job="a"} ` + pipeline + ` [100s]))`
		r, err := Engine{}.Range(t.Context(), mustParse(t, query), p, source)
		if err != nil || sheet(r.(Matrix)) != `{} 100@100 100@200 100@300 99@400` || source.given != 0 {
			t.Errorf("%s: got %v, %v, %d entries read", query, r, err, source.given)
		}
	}
	// Here lines have to be told apart by their number, which no frame has.
	if _, err := (Engine{}).Range(t.Context(), mustParse(t, `sum by (line) (count_over_time({job="a"}[100s]))`), p, source); err != nil || source.given == 0 {
		t.Errorf("%d entries read, %v", source.given, err)
	}
}

// TestWindows holds Whole and span against the words of the definition.
func TestWindows(t *testing.T) {
	for _, w := range []Windows{
		{First: 10, Step: 3, Steps: 4, Range: 2}, {First: 10, Step: 3, Steps: 4, Range: 7}, {First: 0, Step: 5, Steps: 1, Range: 5},
		{First: -7, Step: 2, Steps: 5, Range: 1}, {First: 100, Step: 10, Steps: 3, Range: 4},
	} {
		in := func(at int64) string {
			steps := make([]byte, w.Steps)
			for i := range steps {
				step := w.First + int64(i)*w.Step
				if steps[i] = '0'; at > step-w.Range && at <= step {
					steps[i] = '1'
				}
			}
			return string(steps)
		}
		for at := int64(-30); at < 160; at++ {
			low, high := w.span(at)
			got := strings.Repeat("0", low) + strings.Repeat("1", high-low) + strings.Repeat("0", w.Steps-high)
			if got != in(at) {
				t.Fatalf("%+v at %d: got %s, want %s", w, at, got, in(at))
			}
			if any := strings.Contains(got, "1"); any && (at < w.From() || at >= w.To()) {
				t.Fatalf("%+v: %d is in a window and not between From and To", w, at)
			}
			want := true
			for to := at; to < 160; to++ {
				want = want && in(to) == in(at)
				whole := w.Whole(at, to)
				if whole && !want {
					t.Fatalf("%+v: %d to %d is not whole", w, at, to)
				}
				if want && !whole && strings.Contains(in(at), "1") {
					t.Fatalf("%+v: %d to %d is whole", w, at, to)
				}
			}
		}
	}
}

func TestColumn(t *testing.T) {
	c := newColumn(130)
	for _, value := range []float64{math.NaN(), 0, math.Inf(1), -1} {
		c.set(129, value)
		if got, ok := c.get(129); !ok || math.Float64bits(got) != math.Float64bits(value) {
			t.Errorf("got %v, %v, want %v", got, ok, value)
		}
	}
	for _, step := range []int{0, 128} {
		if _, ok := c.get(step); ok {
			t.Errorf("step %d has a sample", step)
		}
	}
}
