package show

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestBars: on a terminal a line that was drawn over and over is shown as it was in the end; a pipe and -o raw get its
// bytes.
func TestBars(t *testing.T) {
	a := &archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "a", PodUID: "1"}, Container: "main"}
	b := &archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "b", PodUID: "2"}, Container: "main"}
	line := func(i *archive.Instance, text string) archive.Entry {
		return archive.Entry{Instance: i, Line: archive.Line{Text: []byte(text)}}
	}
	piece := func(i *archive.Instance, text string) archive.Entry {
		return archive.Entry{Instance: i, Line: archive.Line{Text: []byte(text), Partial: true}}
	}
	terminal, colors := LineStyle{Terminal: true}, LineStyle{Terminal: true, Color: true}
	for _, tt := range []struct {
		name    string
		style   LineStyle
		entries []archive.Entry
		want    string
	}{
		{"the last one stays", terminal, []archive.Entry{line(a, "\r10 %\r20 %\r100 %")}, "100 %\n"},
		{"what a shorter one leaves stays", terminal, []archive.Entry{line(a, "12345\rab")}, "ab345\n"},
		{"as characters, not as bytes", terminal, []archive.Entry{line(a, "█░░\r██")}, "██░\n"},
		{"the line ends in one", terminal, []archive.Entry{line(a, "10 %\r20 %\r")}, "20 %\n"},
		{"the rest is erased", terminal, []archive.Entry{line(a, "12345\rab\x1b[K"), line(a, "12345\r\x1b[2Kab"), line(a, "12345\rab\x1b[0Kc")}, "ab\nab\nabc\n"},
		{"other sequences steer nothing", terminal, []archive.Entry{line(a, "x\ry\x1b]0;t\x07\x1b[1A\xff")}, "y^[]0;t^G^[[1A\\xff\n"},
		{"in no colour", terminal, []archive.Entry{line(a, "\x1b[31mred\r\x1b[0mblack")}, "black\n"},
		{"each in its colour", colors, []archive.Entry{line(a, "\x1b[31mabc\x1b[0m\r\x1b[32mx")}, "\x1b[32mx\x1b[0m\x1b[31mbc\x1b[0m\n"},
		{"over pieces", terminal, []archive.Entry{piece(a, "\r10 "), piece(a, "%\r20"), line(a, " %"), line(a, "next")}, "20 %\nnext\n"},
		{"a piece before it", terminal, []archive.Entry{piece(a, "long "), piece(a, "12345\rab"), line(a, "")}, "long ab345\n"},
		{"a piece that ends in one", terminal, []archive.Entry{piece(a, "10 %\r"), line(a, "20 %")}, "20 %\n"},
		{"another log comes between", terminal, []archive.Entry{piece(a, "10\r20"), line(b, "b"), line(a, "30\r40")}, "20\nb\n40\n"},
		{"it never ends", terminal, []archive.Entry{piece(a, "10\r20")}, "20\n"},
		{"followed, each piece is a row", LineStyle{Terminal: true, Flush: true, Prefix: true},
			[]archive.Entry{piece(a, "10\r2"), piece(a, "0\r30"), line(a, ""), line(a, "next")},
			"[pod/a/main] 20\n[pod/a/main] 30\n[pod/a/main] next\n"},
		{"prefix and time once", LineStyle{Terminal: true, Prefix: true, Timestamps: true}, []archive.Entry{piece(a, "1\r2"), line(a, "3\r4")}, "[pod/a/main] - 43\n"},
		{"what matches is marked in what stays", LineStyle{Terminal: true, Color: true, Highlight: regexp.MustCompile("2")}, []archive.Entry{line(a, "22\r1")}, "1\x1b[1;7m2\x1b[0m\n"},
		{"a pipe gets all", LineStyle{}, []archive.Entry{line(a, "10 %\r20 %\r")}, "10 %\r20 %\r\n"},
		{"raw is the bytes", LineStyle{Form: FormRaw, Terminal: true}, []archive.Entry{line(a, "10 %\r20 %")}, "10 %\r20 %\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			l := NewLines(&out, tt.style)
			for i := range tt.entries {
				if err := l.Line(&tt.entries[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil || out.String() != tt.want {
				t.Errorf("got %q, %v, want %q", out.String(), err, tt.want)
			}
		})
	}
}

// TestBarsAreBounded: of a row without an end no more is held than a piece and what no bar is as wide as; nor of
// colours.
func TestBarsAreBounded(t *testing.T) {
	a := &archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "a", PodUID: "1"}, Container: "main"}
	var out bytes.Buffer
	l := NewLines(&out, LineStyle{Terminal: true})
	text := "\r" + strings.Repeat("x", 64<<10)
	const pieces = 50
	for n := range pieces {
		e := archive.Entry{Instance: a, Line: archive.Line{Text: []byte(text[min(n, 1):]), Partial: true}}
		if err := l.Line(&e); err != nil {
			t.Fatal(err)
		}
		if len(l.row.cells) > widest {
			t.Fatalf("%d cells are held, want at most %d", len(l.row.cells), widest)
		}
	}
	var colors strings.Builder
	for n := range 1000 {
		fmt.Fprintf(&colors, "\x1b[%dm", n)
	}
	r := &row{}
	if r.write([]byte(colors.String())); len(r.color) > mostColor {
		t.Errorf("%d bytes of colours are in force, want at most %d", len(r.color), mostColor)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(out.String(), "x"), pieces*64<<10; got != want {
		t.Errorf("%d characters, want all %d", got, want)
	}
}
