package logql

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct{ query, want string }{
		{`{app="foo"}`, ``},
		{`{app="foo",}`, `{app="foo"}`},
		{"{app=`a\\b`}", `{app="a\\b"}`},
		{`{ app = "foo" , x!="", y=~"a.*", z!~"b" }`, `{app="foo", x!="", y=~"a.*", z!~"b"}`},
		{"{app=\"foo\"} # all\n|= \"x\" # of it", `{app="foo"} |= "x"`},
		{`{a="b"} |= "x" != "y" |~ "z+" !~ "w"`, ``},
		{`{a="b"} |= "x" or "y" or "z" != "w"`, ``},
		{`{a="b"} | json | x="y"`, ``},
		{`{a="b"} | json x, y="a.b[0][\"c\"]" | logfmt --strict --keep-empty`, `{a="b"} | json x="x", y="a.b[0][\"c\"]" | logfmt --strict --keep-empty`},
		{`{a="b"} | logfmt x="y", z`, `{a="b"} | logfmt x="y", z="z"`},
		{`{a="b"} | x>5 | y>=1.5e3 | z<-2 | d==5m | b!=20KB | s=200 | s!=200`,
			`{a="b"} | x > 5 | y >= 1500 | z < -2 | d == 5m0s | b != 20000B | s == 200 | s != 200`},
		{`{a="b"} | x=~"a" and (y>5 or z="1")`, `{a="b"} | (x=~"a" and (y > 5 or z="1"))`},
		{`{a="b"} | x>1, y>2 z>3`, `{a="b"} | (x > 1 and (y > 2 and z > 3))`},
		{`{a="b"} | x>1 or y>2 and z>3`, `{a="b"} | (x > 1 or (y > 2 and z > 3))`},
		{`{a="b"} | x>1 and y>2 or z>3`, `{a="b"} | ((x > 1 and y > 2) or z > 3)`},
		{`{a="b"} | x>1, y>2 or z>3`, `{a="b"} | (x > 1 and (y > 2 or z > 3))`},
		{`{a="b"} | w>0 and x>1 y>2 or z>3`, `{a="b"} | (w > 0 and (x > 1 and (y > 2 or z > 3)))`},
		{`{a="b"} | d>1d12h`, `{a="b"} | d > 36h0m0s`},
		{`{a="b"} | line_format "{{.x}} {{ .y }} {{__line__}}"`, ``},
		{`{a="b"} | label_format x=y, z="{{.a}}"`, ``},
		{`{a="b"} | drop x, y="z" | keep a, b=~"c" | decolorize`, ``},
		{`count_over_time({a="b"}[5m])`, `count_over_time({a="b"} [5m0s])`},
		{`rate({a="b"} |= "x" [1m] offset 5m)`, `rate({a="b"} |= "x" [1m0s] offset 5m0s)`},
		{`rate({a="b"}[1m] |= "x")`, `rate({a="b"} |= "x" [1m0s])`},
		{`rate({a="b"}[1m] offset 1h | json)`, `rate({a="b"} | json [1m0s] offset 1h0m0s)`},
		{`bytes_rate(({a="b"} | json)[1d])`, `bytes_rate({a="b"} | json [24h0m0s])`},
		{`bytes_over_time(({a="b"}[1m]))`, `bytes_over_time({a="b"} [1m0s])`},
		{`sum by (x, y) (rate({a="b"}[1m]))`, `sum by (x, y) (rate({a="b"} [1m0s]))`},
		{`sum(rate({a="b"}[1m])) without (x)`, `sum without (x) (rate({a="b"} [1m0s]))`},
		{`topk(3, rate({a="b"}[1m])) by ()`, `topk by () (3, rate({a="b"} [1m0s]))`},
		{`vector(1)+vector(1)`, `(vector(1) + vector(1))`},
		{`1 + 2 * 3 ^ 2 ^ 2 - -1`, `((1 + (2 * (3 ^ (2 ^ 2)))) - -1)`},
		{`1 > bool 2`, `(1 > bool 2)`},
		{`vector(1) == on (a) vector(2)`, `(vector(1) == on (a) vector(2))`},
		{`vector(1) or vector(2) and vector(3) unless ignoring () vector(4)`,
			`(vector(1) or ((vector(2) and vector(3)) unless ignoring () vector(4)))`},
		{`SUM(Rate({a="b"}[1m])) BY (a) OR vector(1)`, `(sum by (a) (rate({a="b"} [1m0s])) or vector(1))`},
		{`{a="b"} | x>-5m OR y<-1KB and z>+1`, `{a="b"} | (x > -5m0s or (y < -1000B and z > 1))`},
		{`rate({a="b"}[1m] offset -5m)`, `rate({a="b"} [1m0s] offset -5m0s)`},
		{`{a="b"} | JSON | Drop x`, `{a="b"} | json | drop x`},
		{`({a="b"})`, `{a="b"}`},
		{`sum(rate({a="b"}[1m])) / 2 > 1`, `((sum(rate({a="b"} [1m0s])) / 2) > 1)`},
		{`{a="b"} |= "é" | x="ü"`, ``},
	}
	for _, tt := range tests {
		want := tt.want
		if want == "" {
			want = tt.query
		}
		e, err := Parse(tt.query)
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		if got := e.String(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.query, got, want)
		}
		checkAgain(t, e)
	}
}

// checkAgain has a query's own words parse to the same query.
func checkAgain(t *testing.T, e Expr) {
	t.Helper()
	again, err := Parse(e.String())
	if err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	if again.String() != e.String() || !reflect.DeepEqual(again, e) {
		t.Fatalf("got %s, want %s", again, e)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		query     string
		line, col int
		msg       string
	}{
		{``, 1, 1, `unexpected the end of the query`},
		{`{`, 1, 2, `unexpected the end of the query, expecting the name of a label`},
		{`{app=foo}`, 1, 6, `unexpected "foo", expecting a text in quotes`},
		{`{app="foo"`, 1, 11, `unexpected the end`},
		{`{app="foo" x="y"}`, 1, 12, `unexpected "x", expecting ","`},
		{`{app="foo}`, 1, 6, `no closing quote`},
		{`{app='foo'}`, 1, 6, `unexpected '\''`},
		{`{app="fo\q"}`, 1, 6, `escape`},
		{`{app=~"("}`, 1, 7, `missing closing )`},
		{`{}`, 1, 1, `at least one regexp or equality matcher`},
		{`{app=~".*"}`, 1, 1, `at least one regexp or equality matcher`},
		{`{app!="x"}`, 1, 1, `at least one regexp or equality matcher`},
		{`{app>"x"}`, 1, 5, `unexpected ">"`},
		{`{a="b"} foo`, 1, 9, `unexpected "foo", expecting the end of the query`},
		{"{a=\"b\"}\n  | é", 2, 5, `unexpected 'é'`},
		{"{a=\"é\"} é", 1, 9, `unexpected 'é'`},
		{`{a="b"} |= x`, 1, 12, `expecting a text in quotes`},
		{`{a="b"} |= ip("1.2.3.4")`, 1, 12, `ip() is not supported`},
		{`{a="b"} |> "<_> x"`, 1, 9, `the pattern filter |> is not supported`},
		{`{a="b"} |~ "["`, 1, 12, `missing closing ]`},
		{`{a="b"} | unwrap x`, 1, 11, `the stage unwrap is not supported`},
		{`{a="b"} | regexp "x"`, 1, 11, `the stage regexp is not supported`},
		{`{a="b"} | pattern "x"`, 1, 11, `the stage pattern is not supported`},
		{`{a="b"} | x>"y"`, 1, 13, `expecting a number`},
		{`{a="b"} | x>5q`, 1, 13, `is no number`},
		{`{a="b"} | x=ip("1")`, 1, 13, `ip() is not supported`},
		{`{a="b"} | line_format "{{.x | upper}}"`, 1, 24, `the template action {{.x | upper}} is not supported`},
		{"{a=\"b\"} | line_format `a\nb{{if .x}}`", 2, 2, `the template action {{if .x}}`},
		{`{a="b"} | line_format "\n{{.x | upper}}"`, 1, 23, `the template action`},
		{`{a="b"} | line_format "{{.x"`, 1, 24, `has no "}}"`},
		{`{a="b"} | label_format a=b, a=c`, 1, 29, `multiple label name 'a'`},
		{`{a="b"} | label_format __error__=c`, 1, 24, `cannot be formatted`},
		{`{a="b"} | json x="a..b"`, 1, 18, `cannot parse expression`},
		{`{a="b"} | json x="a[b]"`, 1, 18, `cannot parse expression`},
		{`{a="b"} | json x,`, 1, 18, `expecting the name of a label`},
		{`{a="b"} | logfmt --loose`, 1, 18, `expecting --strict or --keep-empty`},
		{`rate({a="b"})`, 1, 13, `expecting a range`},
		{`rate({a="b"}[5])`, 1, 14, `expecting a duration`},
		{`rate({a="b"}[0s])`, 1, 14, `more than 0`},
		{`rate({a="b"}[5m]) by (x)`, 1, 19, `grouping not allowed for rate`},
		{`rate({a="b"}[5m]`, 1, 17, `expecting ")"`},
		{`sum({a="b"})`, 1, 5, `sum needs numbers`},
		{`sum(1)`, 1, 5, `sum needs samples`},
		{`sum by (a) (vector(1)) by (b)`, 1, 24, `no second grouping`},
		{`topk(0, vector(1))`, 1, 6, `more than 0`},
		{`topk(1.5, vector(1))`, 1, 6, `has to be whole`},
		{`topk(vector(1))`, 1, 6, `expecting a number`},
		{`quantile_over_time(0.9, {a="b"} | unwrap x [5m])`, 1, 1, `the function quantile_over_time is not supported`},
		{`label_replace(vector(1), "a", "b", "c", "d")`, 1, 1, `the function label_replace is not supported`},
		{`foo(1)`, 1, 1, `unexpected "foo"`},
		{`1 + {a="b"}`, 1, 5, `needs numbers on both sides`},
		{`{a="b"} + 1`, 1, 1, `needs numbers on both sides`},
		{`vector(1) and 1`, 1, 15, `needs samples on both sides`},
		{`vector(1) + bool 1`, 1, 13, `bool stands only after a comparison`},
		{`vector(1) + on (a) group_left vector(1)`, 1, 20, `group_left is not supported`},
		{`vector(1) + on (a) 1`, 1, 20, `on and ignoring need samples`},
		{`1 +`, 1, 4, `unexpected the end of the query`},
		{`{a="b"} | x>1 or`, 1, 17, `unexpected the end of the query`},
		{`{a="b"} |~ "((a{90}){90}){90}"`, 1, 12, `repeat`},
		{`{a="b"}` + strings.Repeat(` |~ "x{990}"`, 12), 1, 7 + 6*10 + 5, `more than 10000 steps`},
		{`{a="b"}` + strings.Repeat(` | x=~"x{990}"`, 12), 1, 7 + 5*14 + 7, `more than 10000 steps`},
		{`{a=~"((a{10}){10}){10}((b{10}){10}){10}` + strings.Repeat("(c{10}){100}", 9) + `"}`, 1, 5, `more than 10000 steps`},
		{`rate({a="b"}[30y])`, 1, 14, `20 years at most`},
		{strings.Repeat("1+", mostTokens/2) + "1", 1, mostTokens + 1, `more than 10000 words`},
		{strings.Repeat("(", 200), 1, 101, `deeper than`},
		{strings.Repeat(" ", mostQuery+1), 1, 1, `longer than`},
	}
	for _, tt := range tests {
		e, err := Parse(tt.query)
		var got *SyntaxError
		if !errors.As(err, &got) {
			t.Errorf("%s: got %v, %v, want an error", tt.query, e, err)
			continue
		}
		if got.Line != tt.line || got.Col != tt.col || !strings.Contains(got.Msg, tt.msg) || !BadQuery(err) {
			t.Errorf("%s:\ngot  %v\nwant line %d, col %d: %s", tt.query, err, tt.line, tt.col, tt.msg)
		}
	}
}

func TestParseMatchers(t *testing.T) {
	m, err := ParseMatchers(`{}`)
	if err != nil || len(m) != 0 {
		t.Errorf("got %v, %v", m, err)
	}
	m, err = ParseMatchers(`{a="b", c=~"d|e"}`)
	if err != nil || len(m) != 2 {
		t.Fatalf("got %v, %v", m, err)
	}
	for labels, want := range map[string]bool{"d": true, "e": true, "de": false, "": false} {
		if got := MatchAll(m, NewLabels(map[string]string{"a": "b", "c": labels})); got != want {
			t.Errorf("%s: got %v, want %v", labels, got, want)
		}
	}
	if _, err := ParseMatchers(`{a="b"} |= "x"`); err == nil {
		t.Error("a pipeline is taken")
	}
}

func TestSelectors(t *testing.T) {
	e, err := Parse(`sum(rate({a="b"}[1m])) / (rate({c="d", e="f"}[1m]) or vector(0))`)
	if err != nil {
		t.Fatal(err)
	}
	got := Selectors(e)
	if len(got) != 2 || len(got[0]) != 1 || len(got[1]) != 2 || got[1][1].Value != "f" || IsLog(e) {
		t.Errorf("got %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, q := range []string{
		`{a="b"} |= "x" or "y" | json a="b[0]", c | d>5m and (e="f" or g<=20KB) | line_format "{{.x}}" | drop a, b="c"`,
		`sum by (a) (rate({a="b"} | logfmt --strict [5m] offset 1h)) / on (a) vector(2) > bool 1`,
		"topk(3, count_over_time(({a=~`x.*`} | label_format a=b)[1d])) without (x) unless vector(-1e3)",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		e, err := Parse(query)
		if err == nil {
			checkAgain(t, e)
			return
		}
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Col < 1 {
			t.Fatalf("%q: %v", query, err)
		}
	})
}
