package logql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// runLine puts one line of the stream {job="j"} with the metadata pod="p" to a pipeline. Those labels alone are {} in
// what it gives.
func runLine(t *testing.T, pipeline, line string) string {
	t.Helper()
	source := &kept{entries: []Entry{{
		Time: second, Line: []byte(line), Stream: streamOf("job", "j"), Meta: Labels{{"pod", "p"}},
	}}}
	r, err := Engine{}.Range(t.Context(), mustParse(t, `{job="j"} `+pipeline), Params{End: 2 * second, Limit: 10}, source)
	if err != nil {
		t.Fatalf("%s: %v", pipeline, err)
	}
	return strings.Replace(answerOf(t, r.(Streams)), `{job="j", pod="p"}`, `{}`, 1)
}

func TestStages(t *testing.T) {
	const jsonLine = `{"a":"x","n":5,"t":true,"z":null,"l":[1,{"q":2}],"o":{"p":"deep","1":"d"},"job":"k","pod":"q","b-c":"y","1a":"w"}`
	const jsonLabels = `{_1a="w", a="x", b_c="y", job="j", job_extracted="k", n="5", o_1="d", o_p="deep", pod="p", pod_extracted="q", t="true"} `
	tests := []struct{ pipeline, line, want string }{
		{``, `x`, `{} x`},
		{`|= "b"`, `abc`, `{} abc`},
		{`|= "d"`, `abc`, ``},
		{`|= "d" or "a"`, `abc`, `{} abc`},
		{`!= "d"`, `abc`, `{} abc`},
		{`!= "d" or "a"`, `abc`, ``},
		{`|~ "a.c"`, `abc`, `{} abc`},
		{`!~ "a.c"`, `abc`, ``},
		{`|= ""`, `abc`, `{} abc`},
		{`!= ""`, `abc`, ``},
		{`|= "a" |= "z"`, `abc`, ``},
		{`| pod="p"`, `x`, `{} x`},
		{`| pod!="p"`, `x`, ``},
		{`| pod=~"p|q"`, `x`, `{} x`},
		{`| nothing=""`, `x`, `{} x`},
		{`| json | a="x" and n==5`, `{"a":"x","n":5}`, `{a="x", job="j", n="5", pod="p"} {"a":"x","n":5}`},
		{`| json | a="y" or n>4`, `{"a":"x","n":5}`, `{a="x", job="j", n="5", pod="p"} {"a":"x","n":5}`},
		{`| json | a="y" or n>5`, `{"a":"x","n":5}`, ``},
		{`| json | m>4`, `{"n":5}`, ``},
		{`| json | m!=4`, `{"n":5}`, ``},
		{`| json | n<5`, `{"n":5}`, ``},
		{`| json | n<=5`, `{"n":5}`, `{job="j", n="5", pod="p"} {"n":5}`},
		{`| json | n!=5`, `{"n":5}`, ``},
		{`| logfmt | d>=1m`, `d=61s`, `{d="61s", job="j", pod="p"} d=61s`},
		{`| logfmt | d>=1m`, `d=59s`, ``},
		{`| logfmt | b>1KB`, `b=1KiB`, `{b="1KiB", job="j", pod="p"} b=1KiB`},
		{`| logfmt | b==20MB`, `b=20mb`, `{b="20mb", job="j", pod="p"} b=20mb`},
		{`| logfmt | n>1`, `n=NaN`, ``},
		{`| json`, `no json`, `{__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol", job="j", pod="p"} no json`},
		{`| json | __error__=""`, `no json`, ``},
		{`| json | __error__!="" | drop __error__, __error_details__`, `no json`, `{} no json`},
		{`| json | n>5`, `{"n":"many"}`,
			`{__error__="LabelFilterErr", __error_details__="strconv.ParseFloat: parsing \"many\": invalid syntax", job="j", n="many", pod="p"} {"n":"many"}`},
		{`| json | line_format "{{.a}}"`, `{"a":"\u00e9\n\"\\\ud83d\ude00"}`, `{a="é\n\"\\😀", job="j", pod="p"} é` + "\n" + `"\😀`},
		{`| json | line_format "{{.l}}"`, jsonLine, jsonLabels},
		{`| json`, `{"a":1} and more`, `{a="1", job="j", pod="p"} {"a":1} and more`},
		{`| json x="o.p", y="l[1].q", z="l", w="o[\"1\"]", v="none", n | line_format "-"`, jsonLine,
			`{job="j", n="5", pod="p", v="", w="d", x="deep", y="2", z="[1,{\"q\":2}]"} -`},
		// A line cannot say so itself.
		{`| json | __error__=""`, `{"__error__":"mine","a":1}`, `{a="1", job="j", pod="p"} {"__error__":"mine","a":1}`},
		{`| json pod="a"| line_format "-"`, `{"a":1}`, `{job="j", pod="p", pod_extracted="1"} -`},
		{`| logfmt`, `a=1 b="x y" c d= e="" f="q\"r" a=2`, `{a="1", b="x y", f="q\"r", job="j", pod="p"} a=1 b="x y" c d= e="" f="q\"r" a=2`},
		{`| logfmt --keep-empty | line_format "-"`, `a=1 c d=`, `{a="1", c="", d="", job="j", pod="p"} -`},
		{`| logfmt | line_format "-"`, `a=1 "x" b=2=3 c=4`, `{a="1", c="4", job="j", pod="p"} -`},
		{`| logfmt --strict | line_format "-"`, `a=1 b=2=3 c=4`,
			`{__error__="LogfmtParserErr", __error_details__="logfmt syntax error at pos 8 : unexpected '='", a="1", job="j", pod="p"} -`},
		{`| logfmt x="a", y="none" | line_format "-"`, `a=1 b=2`, `{job="j", pod="p", x="1", y=""} -`},
		{`| logfmt | json | line_format "-"`, `a=1`, `{__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol", a="1", job="j", pod="p"} -`},
		{`| line_format "{{.pod}}-{{.none}}-{{__line__}}" | line_format "<{{__line__}}>"`, `x`, `{} <p--x>`},
		{`| line_format "y" |= "x"`, `x`, ``},
		{`| line_format "y" |= "y"`, `x`, `{} y`},
		{`| label_format q=pod, r="{{.job}}!"`, `x`, `{job="j", q="p", r="j!"} x`},
		{`| label_format job="k"`, `x`, `{job="k", pod="p"} x`},
		{`| label_format q=none`, `x`, `{} x`},
		{`| drop pod, none`, `x`, `{job="j"} x`},
		{`| drop pod="q", job=~"j"`, `x`, `{pod="p"} x`},
		{`| keep pod`, `x`, `{pod="p"} x`},
		{`| decolorize`, "\x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[m", `{} red green`},
	}
	for _, tt := range tests {
		if got := runLine(t, tt.pipeline, tt.line); got != tt.want {
			t.Errorf("%s on %s:\ngot  %s\nwant %s", tt.pipeline, tt.line, got, tt.want)
		}
	}
}

func TestCategorize(t *testing.T) {
	source := &kept{entries: []Entry{
		{Time: 1, Line: []byte(`{"a":"1"}`), Stream: streamOf("job", "j"), Meta: Labels{{"pod", "p"}, {"line", "1"}}},
		{Time: 2, Line: []byte(`no`), Stream: streamOf("job", "j"), Meta: Labels{{"line", "2"}}},
	}}
	p := Params{End: second, Limit: 10, Categorize: true, Direction: Forward}
	r, err := Engine{}.Range(t.Context(), mustParse(t, `{job="j"} | json`), p, source)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(r)
	want := `[{{job="j"} [{1 {"a":"1"} {line="1", pod="p"} {a="1"}} ` +
		`{2 no {line="2"} {__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' symbol"}}]}]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRangeOfLines(t *testing.T) {
	a, b := streamOf("job", "a"), streamOf("job", "b")
	source := &kept{entries: merge(at(a, 1, "a1", "a2", "a3", "a4"), at(b, 1, "b1", "b2", "b3"))}
	tests := []struct {
		query  string
		params Params
		want   string
		given  int // entries read
	}{
		{`{job=~".+"}`, Params{Limit: 2}, "{job=\"a\"} a4\n{job=\"b\"} b3", 2},
		{`{job=~".+"}`, Params{Limit: 3, Direction: Forward}, "{job=\"a\"} a1\n{job=\"a\"} a2\n{job=\"b\"} b1", 3},
		{`{job=~".+"} |= "4"`, Params{Limit: 1}, "{job=\"a\"} a4", 1},
		{`{job="b"}`, Params{Limit: 10, Direction: Forward, Start: 2 * second, End: 3 * second}, "{job=\"b\"} b2", 1},
		{`{job="a"}`, Params{Limit: 10, Direction: Forward, Interval: 2 * time.Second}, "{job=\"a\"} a1\n{job=\"a\"} a3", 4},
		{`{job="a"}`, Params{Limit: 10, Interval: 3 * time.Second}, "{job=\"a\"} a4\n{job=\"a\"} a1", 4},
		{`{job="a"}`, Params{Start: 3 * second, End: 3 * second}, "", 0},
		{`{job="none"}`, Params{}, "", 0},
	}
	for _, tt := range tests {
		if tt.params.End == 0 {
			tt.params.End = 100 * second
		}
		source.given = 0
		r, err := Engine{}.Range(t.Context(), mustParse(t, tt.query), tt.params, source)
		if err != nil {
			t.Fatal(err)
		}
		if got := answerOf(t, r.(Streams)); got != tt.want || source.given != tt.given {
			t.Errorf("%s %+v:\ngot  %q (%d read)\nwant %q (%d read)", tt.query, tt.params, got, source.given, tt.want, tt.given)
		}
	}
}

// TestAsk: the source is told what it may leave out, and how much is enough.
func TestAsk(t *testing.T) {
	tests := []struct {
		query   string
		limit   int
		pass    string // what the filter lets through of a, b, ab
		reasons string
	}{
		{`{j="x"}`, 7, "a b ab", ""},
		{`{j="x"} |= "a" != "b"`, 7, "a", ""},
		{`{j="x"} | json |= "a"`, 7, "a ab", "json does not change the line"},
		{`{j="x"} | y="" |= "a"`, 0, "a ab", "a label filter leaves lines out after the filter"},
		{`{j="x"} |= "a" | line_format "b" |= "b"`, 0, "a ab", "the second filter is of another line"},
		{`count_over_time({j="x"} |= "b" [1s])`, 0, "b ab", ""},
	}
	for _, tt := range tests {
		source := &kept{}
		if _, err := (Engine{}).Range(t.Context(), mustParse(t, tt.query), Params{End: 9, Limit: 7, Step: 1}, source); err != nil {
			t.Fatal(err)
		}
		var pass []string
		for _, line := range []string{"a", "b", "ab"} {
			if source.asked[0].Filter.Pass([]byte(line)) {
				pass = append(pass, line)
			}
		}
		if got := strings.Join(pass, " "); got != tt.pass || source.asked[0].Limit != tt.limit {
			t.Errorf("%s: got %q, limit %d, want %q, limit %d (%s)", tt.query, got, source.asked[0].Limit, tt.pass, tt.limit, tt.reasons)
		}
	}
}

func TestPipeline(t *testing.T) {
	p, err := NewPipeline(mustParse(t, `{job="j"} |= "x" | logfmt`), false)
	if err != nil {
		t.Fatal(err)
	}
	stream := streamOf("job", "j")
	if _, _, ok := p.Process(Entry{Line: []byte("y"), Stream: stream}); ok {
		t.Error("a line passes that the filter refuses")
	}
	one, line, ok := p.Process(Entry{Line: []byte("a=x"), Stream: stream})
	two, _, _ := p.Process(Entry{Line: []byte("a=x"), Stream: stream})
	if !ok || line.Line != "a=x" || one.String() != `{a="x", job="j"}` || &one[0] != &two[0] {
		t.Errorf("got %v, %v, %v", one, line, two)
	}
	if _, err := NewPipeline(mustParse(t, `vector(1)`), false); !BadQuery(err) {
		t.Errorf("a metric query is followed: %v", err)
	}
}

func TestCeilings(t *testing.T) {
	source := &kept{entries: at(streamOf("job", "a"), 1, "n=1", "n=2", "n=3", "n=4")}
	full := Params{End: 100 * second, Step: time.Second}
	tests := []struct {
		query    string
		ceilings Ceilings
		want     string
	}{
		{`{job="a"}`, Ceilings{Bytes: Ceiling{6, "--bytes"}}, "more than 6 bytes of lines, which is the most that one query may have (setting --bytes)"},
		{`{job="a"}`, Ceilings{Memory: Ceiling{100, ""}}, "more than 100 bytes of memory, which is the most that one query may have:"},
		{`rate({job="a"}[1m])`, Ceilings{Steps: Ceiling{100, ""}}, "more than 100 steps"},
		{`rate({job="a"} | logfmt [1m])`, Ceilings{Series: Ceiling{3, ""}}, "more than 3 series"},
		{`rate({job="a"} | logfmt [1m])`, Ceilings{Bytes: Ceiling{6, ""}}, "more than 6 bytes of lines"},
		{`rate({job="a"} | logfmt [1m])`, Ceilings{Memory: Ceiling{2000, ""}}, "more than 2000 bytes of memory"},
		{`vector(1) + vector(2)`, Ceilings{Memory: Ceiling{2000, ""}}, "more than 2000 bytes of memory"},
	}
	for _, tt := range tests {
		_, err := Engine{tt.ceilings}.Range(t.Context(), mustParse(t, tt.query), full, source)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !BadQuery(err) {
			t.Errorf("%s: got %v, want %s", tt.query, err, tt.want)
		}
	}
}

// TestBoundsOfALine: a line, or a query, that makes much of little costs a bounded amount, and says so.
func TestBoundsOfALine(t *testing.T) {
	twice := strings.Repeat(` | line_format "{{__line__}}{{__line__}}"`, 60)
	tests := []struct{ name, pipeline, line, want string }{
		{"line twice as long again and again", twice, "x", "TemplateFormatErr"},
		{"label twice as long again and again", `| label_format x="y"` + strings.Repeat(` | label_format x="{{.x}}{{.x}}"`, 60), "x", "TemplateFormatErr"},
		{"long names of many members", `| json`, `{"` + strings.Repeat("k", 100_000) + `":{` + strings.TrimSuffix(strings.Repeat(`"a":1,"b":2,"c":3,`, 300), ",") + `}}`, "JSONParserErr"},
		{"many members", `| json`, many(`{`, `"k%d":1,`, `"z":1}`), "JSONParserErr"},
		{"many pairs", `| logfmt`, many(``, `k%d=1 `, `z=1`), "LogfmtParserErr"},
		{"deep", `| json`, strings.Repeat(`{"a":`, 100_000), "JSONParserErr"},
		{"deep arrays", `| json a="b"`, `{"c":` + strings.Repeat(`[`, 100_000), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPipe(mustParse(t, `{job="j"} `+tt.pipeline).(*logQuery))
			p.pass(Entry{Line: []byte(tt.line), Stream: streamOf("job", "j")})
			if p.entry.err != tt.want || cap(p.entry.room) > 2*mostRoom || len(p.entry.labels[ofLine]) > mostLabels {
				t.Errorf("got %q (%s), %d bytes, %d labels", p.entry.err, p.entry.details, cap(p.entry.room), len(p.entry.labels[ofLine]))
			}
		})
	}
}

func many(before, each, after string) string {
	var b strings.Builder
	b.WriteString(before)
	for i := range 5 * mostLabels {
		fmt.Fprintf(&b, each, i)
	}
	return b.String() + after
}

func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, query := range []string{`{job="a"}`, `rate({job="a"}[1m])`} {
		_, err := Engine{}.Range(ctx, mustParse(t, query), Params{End: 9 * second, Step: time.Second}, &kept{})
		if !errors.Is(err, context.Canceled) || BadQuery(err) {
			t.Errorf("%s: got %v", query, err)
		}
	}
}

// TestEntryAllocatesNothing: a line that a filter leaves out costs no allocation, nor does one that is counted in a
// series that is known.
func TestEntryAllocatesNothing(t *testing.T) {
	entry := Entry{Time: second, Line: []byte(`level=info msg="done" n=5`), Stream: streamOf("job", "j"), Meta: Labels{{"pod", "p"}}}
	for _, query := range []string{
		`sum by (job) (rate({job="j"} |= "absent" [1m]))`, `sum by (job) (rate({job="j"} [1m]))`, `rate({job="j"} | logfmt [1m])`,
		`sum by (level) (rate({job="j"} | logfmt | n > 4 | line_format "{{.msg}}" [1m]))`,
	} {
		q := mustParse(t, query)
		var group *Grouping
		if sum, ok := q.(*aggregation); ok {
			group, q = sum.group, sum.inner
		}
		log := q.(*rangeQuery).log
		c := &counting{op: "rate", group: group, spent: &meter{}, byKey: map[string]*counter{}, pipe: newPipe(log),
			windows: Windows{First: second, Step: second, Steps: 9, Range: second}}
		one := func() {
			if err := c.entry(entry); err != nil {
				t.Fatal(err)
			}
		}
		one()
		if n := testing.AllocsPerRun(100, one); n != 0 {
			t.Errorf("%s: %v allocations for a line", query, n)
		}
	}
}
