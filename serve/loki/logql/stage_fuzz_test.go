package logql

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// through puts a line to a pipeline, and gives the labels it has then.
func through(t *testing.T, query string, line []byte) Labels {
	t.Helper()
	p := newPipe(mustParse(t, query).(*logQuery))
	before := slices.Clone(line)
	p.run(Entry{Time: 1, Line: line, Stream: streamOf("job", "j"), Meta: Labels{{"pod", "p"}}})
	if !slices.Equal(before, line) {
		t.Fatalf("%s changes the line %q", query, before)
	}
	labels := p.entry.merged().clone()
	for i, x := range labels {
		if !isName(x.Name) || !utf8.ValidString(x.Value) {
			t.Fatalf("%s on %q: label %q=%q", query, line, x.Name, x.Value)
		}
		if i > 0 && labels[i-1].Name >= x.Name {
			t.Fatalf("%s on %q: %v is not sorted, or has a name twice", query, line, labels)
		}
	}
	return labels
}

// FuzzJSON: what encoding/json reads as an object is no error, and its plain members are labels.
func FuzzJSON(f *testing.F) {
	for _, line := range oracleOdd {
		f.Add([]byte(line))
	}
	f.Add([]byte("{\"0\":00\xaa000")) // a number that is no text
	f.Fuzz(func(t *testing.T, line []byte) {
		through(t, `{job="j"} | json a="b.c[0]", d="[\"e\"]", pod`, line)
		labels := through(t, `{job="j"} | json`, line)
		failed, _ := labels.Get(errorLabel)
		var members map[string]any
		if json.Unmarshal(line, &members) != nil || members == nil || strings.Count(string(line), "{") > mostNested {
			return
		}
		if failed != "" {
			t.Fatalf("%q: %v", line, labels)
		}
		if len(members) != 1 || !utf8.Valid(line) {
			return
		}
		for name, value := range members { // one alone is not hidden by another of its name
			want, ok := value.(string)
			if !ok || !isName(name) || name == "job" || name == "pod" || strings.ContainsRune(want, utf8.RuneError) || strings.Count(string(line), ":") > 1 {
				continue
			}
			if got, _ := labels.Get(name); got != want {
				t.Fatalf("%q: got %q, want %q", line, got, want)
			}
		}
	})
}

// FuzzLogfmt: a line that was written as logfmt is read as it was meant, and any other does no harm.
func FuzzLogfmt(f *testing.F) {
	for _, line := range oracleOdd {
		f.Add([]byte(line), "a", "b c")
	}
	f.Fuzz(func(t *testing.T, line []byte, name, value string) {
		through(t, `{job="j"} | logfmt --strict --keep-empty a="b", pod`, line)
		through(t, `{job="j"} | logfmt`, line)
		if !isName(name) || name == "job" || name == "pod" || value == "" || !utf8.ValidString(value) || strings.ContainsRune(value, utf8.RuneError) {
			return
		}
		quoted, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		written := "x=1 " + name + "=" + string(quoted) + " y=2"
		if name == "x" || name == "y" {
			return
		}
		labels := through(t, `{job="j"} | logfmt --strict`, []byte(written))
		if got, _ := labels.Get(name); got != value {
			t.Fatalf("%q: got %q, want %q", written, got, value)
		}
		if y, _ := labels.Get("y"); y != "2" {
			t.Fatalf("%q: %v", written, labels)
		}
	})
}

// FuzzLine: no stage is harmed by any line.
func FuzzLine(f *testing.F) {
	stages := []string{
		`| label_format x="{{__line__}}"`,
		`| json | logfmt | a > 5`, `| logfmt | line_format "{{.a}}{{__line__}}" | json`, `| decolorize | logfmt | label_format b=a, job="{{.b}}" | keep b, job`,
		`| json | drop a, b=~"c.*" | label_format pod=job`, `| logfmt | d > 5m or b <= 5KB | json x="a[0]"`,
	}
	for i, line := range oracleOdd {
		f.Add([]byte(line), i)
	}
	f.Fuzz(func(t *testing.T, line []byte, n int) {
		through(t, `{job="j"} `+stages[uint(n)%uint(len(stages))], line)
	})
}
