package linetest

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
)

// LogText returns lines as a training job writes them.
func LogText(n int) []archive.Line {
	lines := make([]archive.Line, n)
	for i := range lines {
		lines[i] = archive.Line{Time: Base + int64(i)*137_000, Text: fmt.Appendf(nil,
			"2026-11-23 21:0%d:%02d,%03d INFO epoch %d step %d loss=%.6f lr=%.1e grad_norm=%.4f", i%10, i%60, i%1000, i/1000, i,
			1/float64(i+1), 1e-4, float64(i%97)/7)}
	}
	return lines
}

// Base is the time of the first line of most logs, in ns since 1970: in September 2026.
const Base = int64(1_790_000_000_000_000_000)

// FrameTables are the contents of frames that must come back as they were.
var FrameTables = map[string][]archive.Line{
	"one":                 {{Time: Base, Text: []byte("x")}},
	"empty line":          {{Time: Base}},
	"empty lines":         make([]archive.Line, 3000),
	"partial alone":       {{Time: Base, Text: []byte("x"), Partial: true}},
	"partial and empty":   {{Time: Base, Partial: true}},
	"partial in between":  {{Time: Base, Text: []byte("a"), Partial: true}, {Time: Base, Text: []byte("b")}, {Time: Base + 1, Text: []byte("c"), Partial: true}},
	"NUL":                 {{Time: Base, Text: []byte("a\x00b\x00")}},
	"no UTF-8":            {{Time: Base, Text: []byte{0xff, 0xfe, 0x80, '\r'}}},
	"longest line":        {{Time: Base, Text: bytes.Repeat([]byte("0123456789abcdef"), archive.MaxLine/16)}},
	"longest partial":     {{Time: Base, Text: bytes.Repeat([]byte("x"), archive.MaxLine), Partial: true}},
	"no time":             {{Text: []byte("a")}, {Text: []byte("b"), Partial: true}},
	"no time at first":    {{Text: []byte("a")}, {Time: Base, Text: []byte("b")}},
	"no time later":       {{Time: Base, Text: []byte("a")}, {Text: []byte("b")}, {Time: Base - 1, Text: []byte("c")}},
	"times out of order":  {{Time: Base, Text: []byte("a")}, {Time: Base - 5e9, Text: []byte("b")}, {Time: Base + 1, Text: []byte("c")}},
	"before 1970":         {{Time: -Base, Text: []byte("a")}, {Time: Base, Text: []byte("b")}},
	"as far apart as can": {{Time: math.MinInt64, Text: []byte("a")}, {Time: math.MaxInt64, Text: []byte("b")}, {Time: 1, Text: []byte("c")}},
	"equal times":         EqualTimes(1000),
	"random bytes":        RandomLines(500),
}

// EqualTimes returns n lines of one time, with three different texts.
func EqualTimes(n int) []archive.Line {
	lines := make([]archive.Line, n)
	for i := range lines {
		lines[i] = archive.Line{Time: Base, Text: fmt.Appendf(nil, "same %d", i%3)}
	}
	return lines
}

// RandomLines returns n lines of random bytes without a newline, of up to 299 each, in no order of time; a fifth are
// partial.
func RandomLines(n int) []archive.Line {
	r := rand.NewChaCha8([32]byte{1})
	lines := make([]archive.Line, n)
	for i := range lines {
		b := make([]byte, r.Uint64()%300)
		_, _ = r.Read(b) // never fails
		lines[i] = archive.Line{Time: int64(r.Uint64()>>1) + 1, Text: bytes.ReplaceAll(b, []byte("\n"), nil), Partial: r.Uint64()%5 == 0}
	}
	return lines
}

// WantLines fails the test at the first line that differs in its time, its text or in being partial.
func WantLines(t testing.TB, got, want []archive.Line) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d", len(got), len(want))
	}
	for n := range got {
		g, w := got[n], want[n]
		if g.Time != w.Time || g.Partial != w.Partial || !bytes.Equal(g.Text, w.Text) {
			t.Fatalf("line %d: got %d %.40q %t, want %d %.40q %t", n, g.Time, g.Text, g.Partial, w.Time, w.Text, w.Partial)
		}
	}
}

// ReadsPlainly fails the test unless a log object's text is what is wanted for those who know nothing of this program:
// a zstd library, the zstd command where there is one, and a reader of seek tables.
func ReadsPlainly(t *testing.T, object, want []byte) {
	t.Run("Go", func(t *testing.T) {
		d, err := zstd.NewReader(bytes.NewReader(object))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if got, err := io.ReadAll(d); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	})
	t.Run("zstd -dc", func(t *testing.T) {
		path, err := exec.LookPath("zstd")
		if err != nil {
			t.Skip("no zstd here")
		}
		cmd := exec.CommandContext(t.Context(), path, "-dc")
		cmd.Stdin = bytes.NewReader(object)
		if got, err := cmd.Output(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	})
	t.Run("seek table", func(t *testing.T) {
		d, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		r, err := seekable.NewReader(bytes.NewReader(object), d)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for at := 0; at < len(want); at += 100_003 {
			got := make([]byte, min(50_000, len(want)-at))
			if _, err := r.ReadAt(got, int64(at)); err != nil || !bytes.Equal(got, want[at:at+len(got)]) {
				t.Fatalf("%d bytes at %d differ (%v)", len(got), at, err)
			}
		}
	})
}

// Numbered returns the lines "line <from>" to "line <to - 1>", a nanosecond apart from Base + from on.
func Numbered(from, to int) []archive.Line {
	lines := make([]archive.Line, 0, to-from)
	for n := from; n < to; n++ {
		lines = append(lines, archive.Line{Time: Base + int64(n), Text: fmt.Appendf(nil, "line %d", n)})
	}
	return lines
}
