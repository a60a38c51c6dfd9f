package logql

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the lines and the queries of the oracle")

// TestOracleFiles: the lines and the queries that Loki was asked are those of this tree.
func TestOracleFiles(t *testing.T) {
	for name, want := range map[string]string{
		"testdata/oracle/lines.ndjson": oracleFile(),
		"testdata/oracle/queries.txt":  strings.Join(oracleQueries(), "\n") + "\n",
	} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not what the tests ask: run them with -update, and record Loki's answers anew (%v)", name, err)
		}
	}
}

// TestOracle holds the engine against what a real Loki answered to the same queries over the same lines.
func TestOracle(t *testing.T) {
	answers, differences := readAnswers(t), readDifferences(t)
	source := oracleSource()
	asked := 0
	for _, query := range oracleQueries() {
		want, ok := answers[query]
		if !ok {
			t.Errorf("%s: Loki was not asked", query)
			continue
		}
		asked++
		got := engineAnswer(t, query, source)
		reason := differences[query]
		delete(differences, query)
		switch {
		case sameAnswer(got, want) && reason != "":
			t.Errorf("%s: listed as different (%s), and is not", query, reason)
		case !sameAnswer(got, want) && reason == "":
			t.Errorf("%s\n%s", query, apart(got, want))
		}
	}
	if asked < 300 {
		t.Errorf("only %d queries", asked)
	}
	for query := range differences {
		t.Errorf("%s: listed as different, and not asked", query)
	}
}

// sameAnswer: where both refuse, the words do not matter.
func sameAnswer(got, want string) bool {
	refused := strings.HasPrefix(want, "400 ") || strings.HasPrefix(want, "500 ")
	return got == want || strings.HasPrefix(got, "400 ") && refused
}

// apart shows the lines of two answers that differ.
func apart(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	var out strings.Builder
	for side, pair := range map[string][2][]string{"ours": {a, b}, "Loki's": {b, a}} {
		shown := 0
		for _, line := range pair[0] {
			if !slices.Contains(pair[1], line) && shown < 5 {
				shown++
				fmt.Fprintf(&out, "    only %s: %.300s\n", side, line)
			}
		}
	}
	if out.Len() == 0 {
		return "    the order differs"
	}
	return out.String()
}

func engineAnswer(t *testing.T, query string, source Source) string {
	t.Helper()
	kind, text, _ := strings.Cut(query, "\t")
	e, err := Parse(text)
	var r Result
	start, end := oracleBase.UnixNano(), oracleBase.Add(oracleSpan).UnixNano()
	p := Params{Start: start, End: end, Step: oracleStep, Limit: oracleLimit, Categorize: kind == "categorized"}
	switch kind {
	case "forward":
		p.Direction = Forward
	case "every":
		p.Interval = oracleStep
	}
	if err == nil && kind == "instant" {
		r, err = Engine{}.Instant(t.Context(), e, end, source)
	} else if err == nil {
		r, err = Engine{}.Range(t.Context(), e, p, source)
	}
	if err != nil {
		if !BadQuery(err) {
			t.Fatal(err)
		}
		return "400 " + err.Error()
	}
	return answerText(r)
}

// answerText gives an answer as text: one line for each entry or series, sorted as Loki sorts within one stream.
func answerText(r Result) string {
	var all []string
	switch r := r.(type) {
	case Streams:
		for _, s := range r {
			for n, x := range s.Entries {
				line := fmt.Sprintf("%s #%03d %d %q", s.Labels, n, x.Time, x.Line)
				if x.Meta != nil || x.Parsed != nil {
					line += fmt.Sprintf(" %s %s", x.Meta, x.Parsed)
				}
				all = append(all, line)
			}
		}
	case Matrix:
		for _, s := range r {
			var line strings.Builder
			for _, p := range s.Points {
				line.WriteString(pointText(time.Unix(0, p.Time), p.Value))
			}
			all = append(all, s.Labels.String()+line.String())
		}
	case Vector:
		for _, s := range r {
			all = append(all, s.Labels.String()+pointText(time.Unix(0, s.Time), s.Value))
		}
	case Scalar:
		// Without its time: Loki gives that in milliseconds, other than all others.
		all = append(all, "scalar"+pointText(oracleBase, r.Value))
	}
	slices.Sort(all)
	return fmt.Sprintf("200 %d\n", len(all)) + strings.Join(all, "\n")
}

// pointText: the last digits of a sum depend on its order.
func pointText(at time.Time, value float64) string {
	return fmt.Sprintf(" %d:%s", at.Unix()-oracleBase.Unix(), strconv.FormatFloat(value, 'g', 12, 64))
}

const answersFile = "testdata/oracle/loki-3.7.8.txt.gz"

// readAnswers reads Loki's answers: for each a line "> ", the query, and the answer.
func readAnswers(t *testing.T) map[string]string {
	t.Helper()
	packed, err := os.ReadFile(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, block := range strings.Split(string(text), "\n> ")[1:] {
		query, answer, _ := strings.Cut(block, "\n")
		all[query] = answer
	}
	return all
}

// readDifferences reads where the engine answers other than Loki: lines "# reason", and below it the queries.
func readDifferences(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/oracle/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	reason := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if is, ok := strings.CutPrefix(line, "# "); ok {
			reason = is
		} else if line != "" {
			all[line] = reason
		}
	}
	return all
}
