package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
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

func frameOf(first int64, lines []archive.Line, gaps ...archive.Gap) *Frame {
	f := &Frame{FirstLine: first, Gaps: gaps}
	for i := range lines {
		f.Add(&lines[i])
	}
	return f
}

func (f *Frame) all(t testing.TB) []archive.Line {
	t.Helper()
	var lines []archive.Line
	if err := f.Lines(func(l archive.Line) bool {
		lines = append(lines, l)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestFrameRoundTrip(t *testing.T) {
	c := testCodec(t)
	gap := archive.Gap{AfterLine: 7, From: 1, To: 2, Reason: archive.GapRotated, Detail: "\x00 \xff", Unproven: true}
	for name, lines := range linetest.FrameTables {
		t.Run(name, func(t *testing.T) {
			b, h, err := c.Encode([]byte("before"), frameOf(42, lines))
			if err != nil {
				t.Fatal(err)
			}
			b = b[len("before"):]
			if got := h.Size + h.DataSize; got != int64(len(b)) {
				t.Errorf("head says %d bytes, want %d", got, len(b))
			}
			f, got, err := c.Decode(append(b, "after"...))
			if err != nil {
				t.Fatal(err)
			}
			linetest.WantLines(t, f.all(t), lines)
			if got.FirstLine != 42 || got.Lines != int64(len(lines)) || got.Low != h.Low || got.High != h.High {
				t.Errorf("got head %+v, want %+v", got, h)
			}
			for _, l := range lines {
				if l.Time != 0 && (l.Time < got.Low || l.Time > got.High) {
					t.Errorf("time %d is not between %d and %d", l.Time, got.Low, got.High)
				}
			}
			for size := range min(len(b), 300) {
				if _, _, err := c.Decode(b[:size]); !errors.Is(err, archive.ErrDamaged) {
					t.Fatalf("decode of %d bytes: %v, want ErrDamaged", size, err)
				}
			}
		})
	}
	b, _, err := c.Encode(nil, frameOf(0, nil, gap))
	if err != nil {
		t.Fatal(err)
	}
	f, h, err := c.Decode(b)
	if err != nil || h.DataSize != 0 || len(f.Gaps) != 1 || f.Gaps[0].Reason != gap.Reason || f.Gaps[0].To != 2 {
		t.Errorf("frame of a gap: got %+v, %+v, %v", f, h, err)
	}
}

// TestFrameFlippedBits changes each byte of a frame: what comes back is an error or what was written.
func TestFrameFlippedBits(t *testing.T) {
	c := testCodec(t)
	lines := linetest.FrameTables["no time later"]
	b, _, err := c.Encode(nil, frameOf(3, lines, archive.Gap{Reason: archive.GapRotated}))
	if err != nil {
		t.Fatal(err)
	}
	for at := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[at] ^= 1 << bit
			if _, _, err := c.Decode(bad); !errors.Is(err, archive.ErrDamaged) {
				t.Fatalf("bit %d of byte %d: %v, want ErrDamaged", bit, at, err)
			}
		}
	}
}

// sealHead makes the checksum of a changed head right again, as a forger would.
func sealHead(b []byte) []byte {
	if n := SkippableSize + 9; len(b) >= n {
		end := min(len(b), SkippableSize+int(binary.LittleEndian.Uint32(b[4:])))
		if end >= n {
			binary.LittleEndian.PutUint32(b[n-4:], crc32.Checksum(b[n:end], castagnoli))
		}
	}
	return b
}

// forgedHead is a head that claims what it likes.
func forgedHead(t testing.TB, c *Codec, h Head, times []int64) []byte {
	t.Helper()
	b, err := c.AppendHead(nil, &h, times)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileHeadsAllocateLittle(t *testing.T) {
	c := testCodec(t)
	const huge = 4 << 30
	tests := map[string][]byte{
		"raw size":     forgedHead(t, c, Head{Lines: 1, RawSize: huge, DataSize: 9}, []int64{1}),
		"stored size":  forgedHead(t, c, Head{Lines: 1, RawSize: 9, DataSize: huge}, []int64{1}),
		"lines":        forgedHead(t, c, Head{Lines: huge, RawSize: 9, DataSize: 9}, []int64{1}),
		"many lines":   forgedHead(t, c, Head{Lines: MaxFrameRaw, RawSize: 9, DataSize: 9}, []int64{1}),
		"mark":         forgedHead(t, c, Head{Lines: 1, RawSize: 9, DataSize: 9, marks: []mark{{line: huge}}}, []int64{1}),
		"mark's text":  forgedHead(t, c, Head{Lines: 1, RawSize: 9, DataSize: 9, marks: []mark{{length: huge}}}, []int64{1}),
		"mark twice":   forgedHead(t, c, Head{Lines: 9, RawSize: 9, DataSize: 9, marks: []mark{{line: 1}, {line: 1}}}, []int64{1}),
		"unknown flag": forgedHead(t, c, Head{Lines: 9, RawSize: 9, DataSize: 9, marks: []mark{{flags: 4}}}, []int64{1}),
		"skippable":    binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, MagicHead), math.MaxUint32),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := c.Decode(append(b, emptyFrame...))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, archive.ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 2*MaxHead {
				t.Errorf("%d bytes were allocated for a head of %d", got, len(b))
			}
		})
	}
}

func TestGapListIsBounded(t *testing.T) {
	var list []archive.Gap
	for n := range 3 * archive.MaxGaps {
		shared := list
		list = archive.AppendGap(list, archive.Gap{AfterLine: int64(n), To: int64(n), Reason: archive.GapRotated, Detail: strings.Repeat("\x00", 9999)})
		if len(shared) > 0 && shared[len(shared)-1].To != int64(n-1) {
			t.Fatal("a list that is being read was changed")
		}
	}
	last := list[len(list)-1]
	if got, want := int64(len(list))+last.More, int64(3*archive.MaxGaps); got != want || last.To != want-1 {
		t.Errorf("list stands for %d gaps up to %d, want %d up to %d", got, last.To, want, want-1)
	}
	c := testCodec(t)
	b, _, err := c.Encode(nil, frameOf(0, nil, list...))
	if err != nil {
		t.Fatal(err)
	}
	if f, _, err := c.Decode(b); err != nil || len(f.Gaps) != len(list) {
		t.Errorf("the longest list does not come back: %v", err)
	}
}
