package follow

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

const stamp = "2026-11-23T22:00:00.000000001Z"

var stampTime = time.Date(2026, 11, 23, 22, 0, 0, 1, time.UTC).UnixNano()

// cutLine is what a reader gives, with a text of its own.
type cutLine struct {
	time    int64
	text    string
	partial bool
	stamped bool
}

// cutUp reads input in chunks of the given sizes, the last one again and again.
func cutUp(input []byte, sizes ...int) []cutLine {
	r := newLineReader()
	var lines []cutLine
	keep := func(l archive.Line, stamped bool) {
		lines = append(lines, cutLine{l.Time, string(l.Text), l.Partial, stamped})
	}
	for n := 0; len(input) > 0; n++ {
		size := min(len(input), max(1, sizes[min(n, len(sizes)-1)]))
		took := copy(r.room(), input[:size])
		r.took(took)
		input = input[took:]
		for {
			l, stamped, ok := r.next()
			if !ok {
				break
			}
			keep(l, stamped)
		}
	}
	if l, stamped, ok := r.remainder(); ok {
		keep(l, stamped)
	}
	return lines
}

func TestLineReader(t *testing.T) {
	giant := strings.Repeat("x", 2*pieceBytes+5)
	for _, c := range []struct {
		name, input string
		want        []cutLine
	}{
		{"nothing", "", nil},
		{"one line", stamp + " a\n", []cutLine{{stampTime, "a", false, true}}},
		{"an empty line", stamp + " \n", []cutLine{{stampTime, "", false, true}}},
		{"an empty line without its blank", stamp + "\n", []cutLine{{stampTime, "", false, true}}},
		{"no newline", stamp + " a", []cutLine{{stampTime, "a", true, true}}},
		{"any bytes", stamp + " a\x00\xff\r\n", []cutLine{{stampTime, "a\x00\xff\r", false, true}}},
		{"no time", "text\n" + stamp + " a\n", []cutLine{{0, "text", false, false}, {stampTime, "a", false, true}}},
		{"error text", stamp + " a\nunable to", []cutLine{{stampTime, "a", false, true}, {0, "unable to", true, false}}},
		{"a giant line", stamp + " " + giant + "\n" + stamp + " b\n", []cutLine{
			{stampTime, giant[:pieceBytes], true, true},
			{stampTime, giant[:pieceBytes], true, true},
			{stampTime, "xxxxx", false, true},
			{stampTime, "b", false, true},
		}},
		{"a giant line without a time", giant + "\n" + stamp + " b\n", []cutLine{
			{0, giant[:pieceBytes], true, false},
			{0, giant[:pieceBytes], true, false},
			{0, "xxxxx", false, false},
			{stampTime, "b", false, true},
		}},
		{"a giant line that is cut", stamp + " " + giant, []cutLine{
			{stampTime, giant[:pieceBytes], true, true},
			{stampTime, giant[:pieceBytes], true, true},
			{stampTime, "xxxxx", true, true},
		}},
		{"exactly the longest line", stamp + " " + giant[:pieceBytes] + "\n", []cutLine{{stampTime, giant[:pieceBytes], false, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, sizes := range [][]int{{1 << 30}, {16 << 10}, {7}, {1, 1 << 20}, {40, 5}} {
				if sizes[len(sizes)-1] < 100 && len(c.input) > 1<<20 {
					sizes = []int{100_003}
				}
				if got := cutUp([]byte(c.input), sizes...); !slices.Equal(got, c.want) {
					t.Errorf("in chunks of %v: got %d lines %.200q, want %d %.200q", sizes, len(got), fmt.Sprint(got), len(c.want), fmt.Sprint(c.want))
				}
			}
		})
	}
}

// FuzzLineReader: however the bytes arrive, the lines are the same, and no byte is lost.
func FuzzLineReader(f *testing.F) {
	f.Add([]byte(stamp+" a\n"+stamp+" b"), 3, 5)
	f.Add([]byte("no time\n\n\x00\xff"), 1, 1)
	f.Fuzz(func(t *testing.T, input []byte, first, rest int) {
		want := cutUp(input, 1<<30)
		if got := cutUp(input, first, rest); !slices.Equal(got, want) {
			t.Errorf("in chunks of %d and %d: got %v, want %v", first, rest, got, want)
		}
		var text []byte
		for _, l := range want {
			text = append(text, l.text...)
		}
		if n := bytes.Count(input, []byte("\n")); len(text)+n > len(input) {
			t.Errorf("got %d bytes of text and %d newlines of %d bytes", len(text), n, len(input))
		}
	})
}

func TestLineReaderAllocations(t *testing.T) {
	r := newLineReader()
	line := []byte(stamp + " some text of a usual length, as logs have it\n")
	got := testing.AllocsPerRun(1000, func() {
		r.took(copy(r.room(), line))
		if _, stamped, ok := r.next(); !stamped || !ok {
			t.Fatal("no line")
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations a line, want 0", got)
	}
}

// TestLineReaderBuffers: a burst borrows a large buffer and gives it back when it is over, whatever came in it.
func TestLineReaderBuffers(t *testing.T) {
	line := stamp + " some text of a usual length, as logs have it\n"
	burst, long := strings.Repeat(line, 2000), stamp+" "+strings.Repeat("x", 100<<10)+"\n"
	for _, c := range []struct {
		name, input string
		most        int
	}{
		{"a line now and then", line, quietBuffer},
		{"a burst", burst, busyBuffer},
		{"a line longer than the large buffer", long, 4 * busyBuffer},
		{"a long line in a burst", burst + long + burst, 4 * busyBuffer},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newLineReader()
			if most := cutAll(r, c.input); most != c.most {
				t.Errorf("got a buffer of %d bytes at most, want %d", most, c.most)
			}
			cutAll(r, line)
			if r.room(); len(r.buf) != quietBuffer {
				t.Errorf("got a buffer of %d bytes when another line came, want %d", len(r.buf), quietBuffer)
			}
		})
	}
}

// TestLineReaderBurstsAllocateNothing: the large buffer is the same one for all bursts.
func TestLineReaderBurstsAllocateNothing(t *testing.T) {
	r, line := newLineReader(), stamp+" some text of a usual length, as logs have it\n"
	burst := strings.Repeat(line, 1000)
	got := testing.AllocsPerRun(100, func() {
		cutAll(r, burst)
		cutAll(r, line)
	})
	if got >= 1 {
		t.Errorf("got %v allocations a burst, want 0", got)
	}
}

// cutAll has the reader read and cut the text, in reads as large as it has room for, and gives the largest size of its
// buffer.
func cutAll(r *lineReader, text string) (most int) {
	for len(text) > 0 {
		n := copy(r.room(), text)
		r.took(n)
		most, text = max(most, len(r.buf)), text[n:]
		for _, _, ok := r.next(); ok; _, _, ok = r.next() {
		}
	}
	return most
}

// TestLineReadersOfEndlessLines: what the readers of logs hold whose processes write nothing but carriage returns.
func TestLineReadersOfEndlessLines(t *testing.T) {
	chunk := []byte(strings.Repeat("epoch 1:  42%|####      | 420/1000 [00:42<00:58, 10.0it/s]\r", 280))
	r := newLineReader()
	r.took(copy(r.room(), stamp+" "))
	most, got := 0, 0
	for sent := 0; sent < 4<<20; {
		n := copy(r.room(), chunk)
		r.took(n)
		sent += n
		for line, _, ok := r.next(); ok; line, _, ok = r.next() {
			got += len(line.Text)
		}
		most = max(most, len(r.buf))
		if sent-got > pieceBytes {
			t.Fatalf("%d bytes of %d were given, want no more than %d fewer", got, sent, pieceBytes)
		}
	}
	if most > 2*pieceBytes {
		t.Errorf("got a buffer of %d bytes, want %d at most", most, 2*pieceBytes)
	}
}
