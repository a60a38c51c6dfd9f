package show

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		name, text, want, plain string
		colored                 bool
	}{
		{name: "plain", text: "step 1\tdone, 100 % ✓", want: "step 1\tdone, 100 % ✓", plain: "step 1\tdone, 100 % ✓"},
		{name: "colour", text: "\x1b[1;31merror\x1b[0m", want: "\x1b[1;31merror\x1b[0m", plain: "error", colored: true},
		{name: "title", text: "\x1b]0;owned\x07", want: "^[]0;owned^G", plain: "^[]0;owned^G"},
		{name: "cursor", text: "a\x1b[2Kb", want: "a^[[2Kb", plain: "a^[[2Kb"},
		{name: "device attributes", text: "\x1b[c", want: "^[[c", plain: "^[[c"},
		{name: "carriage return", text: "10 %\r20 %", want: "10 %^M20 %", plain: "10 %^M20 %"},
		{name: "C1", text: "\u009b31m", want: `\u009b31m`, plain: `\u009b31m`},
		{name: "delete", text: "\x7f", want: "^?", plain: "^?"},
		{name: "no UTF-8", text: "\xff\x9b", want: `\xff\x9b`, plain: `\xff\x9b`},
		{name: "direction", text: "\u202eabc", want: `\u202eabc`, plain: `\u202eabc`},
		{name: "half a colour", text: "\x1b[31", want: "^[[31", plain: "^[[31"},
	} {
		got, colored := clean(nil, []byte(tt.text), true)
		if string(got) != tt.want || colored != tt.colored {
			t.Errorf("%s: got %q, %t, want %q, %t", tt.name, got, colored, tt.want, tt.colored)
		}
		if got, _ := clean(nil, []byte(tt.text), false); string(got) != tt.plain {
			t.Errorf("%s without colours: got %q, want %q", tt.name, got, tt.plain)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "\x1b[31mred", "\x1b]0;x\x07", "\x9b", "\u009b", "\x1b\x1b[m", "a\rb"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, _ := clean(nil, text, false)
		for _, r := range string(got) {
			if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || steersText(r) {
				t.Fatalf("Clean(%q) lets %U through: %q", text, r, got)
			}
		}
		if !utf8.Valid(got) {
			t.Fatalf("Clean(%q) gives bytes that are no UTF-8: %q", text, got)
		}
		again, _ := clean(nil, got, false)
		if !bytes.Equal(again, got) {
			t.Fatalf("Clean(%q) gives %q, and of that %q", text, got, again)
		}
	})
}
