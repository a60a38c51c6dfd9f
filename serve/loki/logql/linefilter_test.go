package logql

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestRequired(t *testing.T) {
	tests := []struct {
		expr  string
		any   string // joined by |
		fold  bool
		exact bool
	}{
		{`error`, `error`, false, true},
		{`.*error.*`, `error`, false, true},
		{`(error)`, `error`, false, true},
		{`error|warn`, `error|warn`, false, true},
		{`err(or)?`, `err`, false, true},
		{`error|err`, `err`, false, true},
		{`^error`, `error`, false, false},
		{`error$`, `error`, false, false},
		{`a.*error.*`, `error`, false, false},
		{`\d+ error`, ` error`, false, false},
		{`(?i)error`, `error`, true, true},
		{`(?i)task`, `ta`, true, false},
		{`(?i)ks`, ``, false, false},
		{`(?i)érr`, `rr`, true, false},
		{`err\x{FFFD}`, `err`, false, false},
		{`[a-z]+`, ``, false, false},
		{`error|[0-9]`, ``, false, false},
		{`(?i:abc)|def`, `abc|def`, true, false},
		{`(abc)+`, `abc`, false, true},
		{`(abc){2}`, `abc`, false, false},
		{`\berror\b`, `error`, false, false},
		{``, ``, false, true},
		{`.*`, ``, false, true},
		{`(?i)`, ``, false, true},
		{`x*|y`, ``, false, true},
	}
	for _, tt := range tests {
		got := requiredOf(tt.expr)
		if joined := strings.ToLower(strings.Join(got.any, "|")); joined != tt.any || len(got.any) > 0 && (got.fold != tt.fold || got.exact != tt.exact) {
			t.Errorf("%s: got %+v, want %q fold %v exact %v", tt.expr, got, tt.any, tt.fold, tt.exact)
		}
	}
}

// TestPatternIsRegexp puts random expressions and lines to the needles and to the regular expression alone.
func TestPatternIsRegexp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "k", "s", "ab", "é", "(?i)", "(", ")", "|", ".*", "+", "?", "^", "$", "[ab]", "\\b", "\\x{FFFD}", "K", "x{2}"}
	bytesOf := []string{"a", "A", "b", "B", "k", "K", "\u212a", "s", "\u017f", "é", "É", "\xff", "x", " ", "\ufffd"}
	tried := 0
	for range 60_000 {
		expr := pick(rng, parts, 6)
		re, err := regexp.Compile(expr)
		if err != nil {
			continue
		}
		p, err := newPattern(expr)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			tried++
			line := []byte(pick(rng, bytesOf, 8))
			if got, want := p.matches(line), re.Match(line); got != want {
				t.Fatalf("%q on %q: got %v, want %v (%+v)", expr, line, got, want, requiredOf(expr))
			}
		}
	}
	if tried < 10_000 {
		t.Errorf("only %d tried", tried)
	}
}

func pick(rng *rand.Rand, parts []string, most int) string {
	var b strings.Builder
	for range rng.IntN(most) + 1 {
		b.WriteString(parts[rng.IntN(len(parts))])
	}
	return b.String()
}

// TestNeedle holds the search by the rarest byte against that of the standard library.
func TestNeedle(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	letters := []string{"a", "b", "e", "E", "B", "xy"}
	for range 20_000 {
		text := []byte(pick(rng, letters, 300))
		want := pick(rng, letters, 6)
		plain, fold := newNeedle(want, false), newNeedle(want, true)
		if got, want := plain.index(text), bytes.Index(text, []byte(want)); got != want {
			t.Fatalf("%q in %q: got %d, want %d", plain.text, text, got, want)
		}
		if got, want := fold.index(text), bytes.Index(bytes.ToLower(text), bytes.ToLower([]byte(want))); got != want {
			t.Fatalf("%q in %q without case: got %d, want %d", fold.text, text, got, want)
		}
	}
}

func filterOf(t testing.TB, tests ...*lineTest) LineFilter {
	t.Helper()
	return newLineFilter(tests)
}

func contains(texts ...string) *lineTest {
	test := &lineTest{}
	for _, text := range texts {
		test.any = append(test.any, newLiteral(text))
	}
	return test
}

func matching(t testing.TB, exprs ...string) *lineTest {
	t.Helper()
	test := &lineTest{}
	for _, expr := range exprs {
		p, err := newPattern(expr)
		if err != nil {
			t.Fatal(err)
		}
		test.any = append(test.any, p)
	}
	return test
}

func except(test *lineTest) *lineTest {
	test.not = true
	return test
}

// TestFindIsPass walks whole frames with Find, and compares with the lines that pass one by one.
func TestFindIsPass(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	words := []string{"error", "Error", "ERR", "warn", "x", " ", "timeout", "\n", "\n", "é", "", "tImeOut"}
	filters := map[string]LineFilter{
		"none":    {},
		"literal": filterOf(t, contains("error")),
		"two":     filterOf(t, contains("error"), contains("timeout")),
		"or":      filterOf(t, contains("ERR", "timeout")),
		"not":     filterOf(t, except(contains("x"))),
		"mixed":   filterOf(t, except(contains("x")), contains("warn")),
		"fold":    filterOf(t, matching(t, "(?i)timeout")),
		"regexp":  filterOf(t, matching(t, "e.ror|war+n")),
		"empty":   filterOf(t, contains("")),
		"or not":  filterOf(t, except(contains("x", "warn"))),
		"unknown": filterOf(t, matching(t, "[a-z]{3}")),
	}
	for name, f := range filters {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				var b strings.Builder
				for range rng.IntN(400) {
					b.WriteString(words[rng.IntN(len(words))])
				}
				text := []byte(b.String())
				var got, want []string
				for line := range bytes.SplitSeq(text, []byte("\n")) {
					if len(line) > 0 && f.Pass(line) {
						want = append(want, string(line))
					}
				}
				walk(f, text, func(line []byte) { got = append(got, string(line)) })
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Fatalf("in %q:\ngot  %q\nwant %q", text, got, want)
				}
			}
		})
	}
}

// walk does what a source does with a frame.
func walk(f LineFilter, text []byte, give func([]byte)) {
	for len(text) > 0 {
		at := f.Find(text)
		if at < 0 {
			return
		}
		from := bytes.LastIndexByte(text[:at], '\n') + 1
		line, rest, _ := bytes.Cut(text[from:], []byte("\n"))
		if len(line) > 0 && f.Pass(line) {
			give(line)
		}
		text = rest
	}
}

func TestPassAllocatesNothing(t *testing.T) {
	line := []byte(`2026-12-01 level=info msg="step 10 of 2000 done" loss=0.25`)
	for name, f := range map[string]LineFilter{
		"literal": filterOf(t, contains("error")),
		"or":      filterOf(t, contains("error", "timeout")),
		"not":     filterOf(t, except(contains("step"))),
		"fold":    filterOf(t, matching(t, "(?i)error")),
		"regexp":  filterOf(t, matching(t, "err.r")),
	} {
		if f.Pass(line) {
			t.Errorf("%s: passes", name)
		}
		if n := testing.AllocsPerRun(100, func() { f.Pass(line); f.Find(line) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkFind holds the search of a frame for a literal against the plain count of it.
func BenchmarkFind(b *testing.B) {
	line := "2026-12-01T10:00:00Z level=info msg=\"step 10 of 2000 done\" loss=0.25 lr=0.001 node=worker-7\n"
	text := bytes.Repeat([]byte(strings.Repeat(line, 500)+"level=error msg=\"out of memory\"\n"), 6)
	for name, f := range map[string]LineFilter{
		"literal": filterOf(b, contains("out of memory")),
		"usual":   filterOf(b, contains("out of node")), // its rarest letter is in every line
		"or":      filterOf(b, contains("out of memory", "deadline exceeded")),
		"fold":    filterOf(b, matching(b, "(?i)out of memory")),
		"regexp":  filterOf(b, matching(b, "out of .*memory")),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				n := 0
				walk(f, text, func([]byte) { n++ })
				if n > 6 {
					b.Fatal(n)
				}
			}
		})
	}
	b.Run("bytes.Count", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if n := bytes.Count(text, []byte("out of memory")); n != 6 {
				b.Fatal(n)
			}
		}
	})
}
