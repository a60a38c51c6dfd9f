package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// oneCodec serves all tests, as it serves all logs of a process. It is made outside of every bubble.
var oneCodec, errCodec = NewCodec()

func testCodec(t testing.TB) *Codec {
	t.Helper()
	if errCodec != nil {
		t.Fatal(errCodec)
	}
	return oneCodec
}

const base = int64(1_790_000_000_000_000_000)

// frameTables are the contents of frames that must come back as they were.
var frameTables = map[string][]Line{
	"one":                 {{Time: base, Text: []byte("x")}},
	"empty line":          {{Time: base}},
	"empty lines":         make([]Line, 3000),
	"partial alone":       {{Time: base, Text: []byte("x"), Partial: true}},
	"partial and empty":   {{Time: base, Partial: true}},
	"partial in between":  {{Time: base, Text: []byte("a"), Partial: true}, {Time: base, Text: []byte("b")}, {Time: base + 1, Text: []byte("c"), Partial: true}},
	"NUL":                 {{Time: base, Text: []byte("a\x00b\x00")}},
	"no UTF-8":            {{Time: base, Text: []byte{0xff, 0xfe, 0x80, '\r'}}},
	"longest line":        {{Time: base, Text: bytes.Repeat([]byte("0123456789abcdef"), MaxLine/16)}},
	"longest partial":     {{Time: base, Text: bytes.Repeat([]byte("x"), MaxLine), Partial: true}},
	"no time":             {{Text: []byte("a")}, {Text: []byte("b"), Partial: true}},
	"no time at first":    {{Text: []byte("a")}, {Time: base, Text: []byte("b")}},
	"no time later":       {{Time: base, Text: []byte("a")}, {Text: []byte("b")}, {Time: base - 1, Text: []byte("c")}},
	"times out of order":  {{Time: base, Text: []byte("a")}, {Time: base - 5e9, Text: []byte("b")}, {Time: base + 1, Text: []byte("c")}},
	"before 1970":         {{Time: -base, Text: []byte("a")}, {Time: base, Text: []byte("b")}},
	"as far apart as can": {{Time: math.MinInt64, Text: []byte("a")}, {Time: math.MaxInt64, Text: []byte("b")}, {Time: 1, Text: []byte("c")}},
	"equal times":         equalTimes(1000),
	"random bytes":        randomLines(500),
}

func equalTimes(n int) []Line {
	lines := make([]Line, n)
	for i := range lines {
		lines[i] = Line{Time: base, Text: fmt.Appendf(nil, "same %d", i%3)}
	}
	return lines
}

func randomLines(n int) []Line {
	r := rand.NewChaCha8([32]byte{1})
	lines := make([]Line, n)
	for i := range lines {
		b := make([]byte, r.Uint64()%300)
		_, _ = r.Read(b) // never fails
		lines[i] = Line{Time: int64(r.Uint64()>>1) + 1, Text: bytes.ReplaceAll(b, []byte("\n"), nil), Partial: r.Uint64()%5 == 0}
	}
	return lines
}

func frameOf(first int64, lines []Line, gaps ...Gap) *frame {
	f := &frame{firstLine: first, gaps: gaps}
	for i := range lines {
		f.add(&lines[i])
	}
	return f
}

func (f *frame) all(t testing.TB) []Line {
	t.Helper()
	var lines []Line
	if err := f.lines(func(l Line) bool {
		lines = append(lines, l)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func wantLines(t testing.TB, got, want []Line) {
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

func TestFrameRoundTrip(t *testing.T) {
	c := testCodec(t)
	gap := Gap{AfterLine: 7, From: 1, To: 2, Reason: GapRotated, Detail: "\x00 \xff", Unproven: true}
	for name, lines := range frameTables {
		t.Run(name, func(t *testing.T) {
			b, h, err := c.encode([]byte("before"), frameOf(42, lines))
			if err != nil {
				t.Fatal(err)
			}
			b = b[len("before"):]
			if got := h.size + h.DataSize; got != int64(len(b)) {
				t.Errorf("head says %d bytes, want %d", got, len(b))
			}
			f, got, err := c.decode(append(b, "after"...))
			if err != nil {
				t.Fatal(err)
			}
			wantLines(t, f.all(t), lines)
			if got.FirstLine != 42 || got.Lines != int64(len(lines)) || got.Low != h.Low || got.High != h.High {
				t.Errorf("got head %+v, want %+v", got, h)
			}
			for _, l := range lines {
				if l.Time != 0 && (l.Time < got.Low || l.Time > got.High) {
					t.Errorf("time %d is not between %d and %d", l.Time, got.Low, got.High)
				}
			}
			for size := range min(len(b), 300) {
				if _, _, err := c.decode(b[:size]); !errors.Is(err, ErrDamaged) {
					t.Fatalf("decode of %d bytes: %v, want ErrDamaged", size, err)
				}
			}
		})
	}
	b, _, err := c.encode(nil, frameOf(0, nil, gap))
	if err != nil {
		t.Fatal(err)
	}
	f, h, err := c.decode(b)
	if err != nil || h.DataSize != 0 || len(f.gaps) != 1 || f.gaps[0].Reason != gap.Reason || f.gaps[0].To != 2 {
		t.Errorf("frame of a gap: got %+v, %+v, %v", f, h, err)
	}
}

// TestFrameFlippedBits changes each byte of a frame: what comes back is an error or what was written.
func TestFrameFlippedBits(t *testing.T) {
	c := testCodec(t)
	lines := frameTables["no time later"]
	b, _, err := c.encode(nil, frameOf(3, lines, Gap{Reason: GapRotated}))
	if err != nil {
		t.Fatal(err)
	}
	for at := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[at] ^= 1 << bit
			if _, _, err := c.decode(bad); !errors.Is(err, ErrDamaged) {
				t.Fatalf("bit %d of byte %d: %v, want ErrDamaged", bit, at, err)
			}
		}
	}
}

// sealHead makes the checksum of a changed head right again, as a forger would.
func sealHead(b []byte) []byte {
	if n := skippableSize + 9; len(b) >= n {
		end := min(len(b), skippableSize+int(binary.LittleEndian.Uint32(b[4:])))
		if end >= n {
			binary.LittleEndian.PutUint32(b[n-4:], crc32.Checksum(b[n:end], castagnoli))
		}
	}
	return b
}

// forgedHead is a head that claims what it likes.
func forgedHead(t testing.TB, c *Codec, h head, times []int64) []byte {
	t.Helper()
	b, err := c.appendHead(nil, &h, times)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileHeadsAllocateLittle(t *testing.T) {
	c := testCodec(t)
	const huge = 4 << 30
	tests := map[string][]byte{
		"raw size":     forgedHead(t, c, head{Lines: 1, RawSize: huge, DataSize: 9}, []int64{1}),
		"stored size":  forgedHead(t, c, head{Lines: 1, RawSize: 9, DataSize: huge}, []int64{1}),
		"lines":        forgedHead(t, c, head{Lines: huge, RawSize: 9, DataSize: 9}, []int64{1}),
		"many lines":   forgedHead(t, c, head{Lines: maxFrameRaw, RawSize: 9, DataSize: 9}, []int64{1}),
		"mark":         forgedHead(t, c, head{Lines: 1, RawSize: 9, DataSize: 9, marks: []mark{{line: huge}}}, []int64{1}),
		"mark's text":  forgedHead(t, c, head{Lines: 1, RawSize: 9, DataSize: 9, marks: []mark{{length: huge}}}, []int64{1}),
		"mark twice":   forgedHead(t, c, head{Lines: 9, RawSize: 9, DataSize: 9, marks: []mark{{line: 1}, {line: 1}}}, []int64{1}),
		"unknown flag": forgedHead(t, c, head{Lines: 9, RawSize: 9, DataSize: 9, marks: []mark{{flags: 4}}}, []int64{1}),
		"skippable":    binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, magicHead), math.MaxUint32),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := c.decode(append(b, emptyFrame...))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 2*maxHead {
				t.Errorf("%d bytes were allocated for a head of %d", got, len(b))
			}
		})
	}
}

func TestGapListIsBounded(t *testing.T) {
	var list []Gap
	for n := range 3 * maxGaps {
		shared := list
		list = appendGap(list, Gap{AfterLine: int64(n), To: int64(n), Reason: GapRotated, Detail: strings.Repeat("\x00", 9999)})
		if len(shared) > 0 && shared[len(shared)-1].To != int64(n-1) {
			t.Fatal("a list that is being read was changed")
		}
	}
	last := list[len(list)-1]
	if got, want := int64(len(list))+last.More, int64(3*maxGaps); got != want || last.To != want-1 {
		t.Errorf("list stands for %d gaps up to %d, want %d up to %d", got, last.To, want, want-1)
	}
	c := testCodec(t)
	b, _, err := c.encode(nil, frameOf(0, nil, list...))
	if err != nil {
		t.Fatal(err)
	}
	if f, _, err := c.decode(b); err != nil || len(f.gaps) != len(list) {
		t.Errorf("the longest list does not come back: %v", err)
	}
}
