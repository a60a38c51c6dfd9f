package show

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

func TestLines(t *testing.T) {
	a := &archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "a", PodUID: "1"}, Container: "main"}
	b := &archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "b", PodUID: "2"}, Container: "main", Restart: 2}
	entry := func(i *archive.Instance, text string, partial bool) archive.Entry {
		return archive.Entry{Instance: i, Line: archive.Line{Time: 1_000_000_001, Text: []byte(text), Partial: partial}}
	}
	pieces := []archive.Entry{entry(a, "one ", true), entry(a, "line", false), entry(a, "cut", true), entry(b, "other", false), entry(b, "end", true)}
	for _, tt := range []struct {
		name    string
		style   LineStyle
		entries []archive.Entry
		want    string
	}{
		{"pieces are put together", LineStyle{}, pieces, "one line\ncut\nother\nend"},
		{"a terminal ends the last one", LineStyle{Terminal: true}, pieces, "one line\ncut\nother\nend\n"},
		{"raw is the bytes", LineStyle{Form: FormRaw, Terminal: true}, pieces, "one line\ncutother\nend"},
		{
			"one prefix for each line", LineStyle{Prefix: true, Timestamps: true}, pieces,
			"[pod/a/main] 1970-01-01T00:00:01.000000001Z one line\n[pod/a/main] 1970-01-01T00:00:01.000000001Z cut\n" +
				"[pod/b/main[2]] 1970-01-01T00:00:01.000000001Z other\n[pod/b/main[2]] 1970-01-01T00:00:01.000000001Z end",
		},
		{"no time", LineStyle{Timestamps: true}, []archive.Entry{{Instance: a, Line: archive.Line{Text: []byte("x")}}}, "- x\n"},
		{
			"highlight", LineStyle{Color: true, Highlight: regexp.MustCompile(`e+|`)}, []archive.Entry{entry(a, "see be", false)},
			"s\x1b[1;7mee\x1b[0m b\x1b[1;7me\x1b[0m\n",
		},
		{"a pipe gets what was written", LineStyle{}, []archive.Entry{entry(a, "\x1b]0;x\x07\xff\r", false)}, "\x1b]0;x\x07\xff\r\n"},
		{"a terminal does not", LineStyle{Terminal: true}, []archive.Entry{entry(a, "\x1b]0;x\x07\xff\r", false)}, "^[]0;x^G\\xff\n"},
	} {
		var out bytes.Buffer
		l := NewLines(&out, tt.style)
		for i := range tt.entries {
			if err := l.Line(&tt.entries[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil || out.String() != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, out.String(), err, tt.want)
		}
	}
}

func TestJSONStaysJSONOnATerminal(t *testing.T) {
	i := &archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "a"}, Container: "main"}
	want := "\u009b31m <&> \u202e \x1b[31m\t\x7f ✓"
	var out bytes.Buffer
	l := NewLines(&out, LineStyle{Form: FormJSON, Terminal: true})
	if err := l.Line(&archive.Entry{Instance: i, Line: archive.Line{Text: []byte(want)}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(out.Bytes(), "\u009b\u202e\x1b\x7f") {
		t.Errorf("got %q, want nothing that a terminal obeys", out.Bytes())
	}
	var line wire.Line
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Text != want {
		t.Errorf("got %q, %v, want %q", line.Text, err, want)
	}
}

// TestNote: a line of ours ends an open one, and passes no control character on.
func TestNote(t *testing.T) {
	i := &archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Job: "j", Pod: "a", PodUID: "1"}, Container: "main"}
	var out bytes.Buffer
	l := NewLines(&out, LineStyle{Prefix: true, Flush: true, Called: func(i *archive.Instance) string { return i.Job + "/" + i.Container }})
	steps := []error{
		l.Line(&archive.Entry{Instance: i, Line: archive.Line{Text: []byte("half "), Partial: true}}),
		l.Note("* job j: \x1b]0;x\x07\nseen"),
		l.Line(&archive.Entry{Instance: i, Line: archive.Line{Text: []byte("a line")}}),
	}
	for _, err := range steps {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "[j/main] half \n* job j: ^[]0;x^G^Jseen\n[j/main] a line\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
