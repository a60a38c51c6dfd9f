package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// endedLog is a log that has ended, whose first frame holds a gap and no line, and the others thirds of the lines.
func endedLog(t testing.TB, lines []archive.Line, whole int64) *Log {
	t.Helper()
	l := logOf(t, spoolWith(t, t.TempDir(), 0, 0), "c")
	defer func() { l.spool.whole.Store(whole) }()
	l.Gap(archive.Gap{Reason: archive.GapLateStart})
	for some := range slices.Chunk(lines, max(1, len(lines)/3)) {
		if err := l.CloseFrame(); err != nil {
			t.Fatal(err)
		}
		appendAll(t, l, some)
	}
	if _, err := l.End(); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestObjectIsTheSpoolInAnotherOrder reads it in pieces of every size: each is that of the object that was read at
// once, and that is valid.
func TestObjectIsTheSpoolInAnotherOrder(t *testing.T) {
	l := endedLog(t, linetest.LogText(3001), 0)
	object, x := objectBytes(t, l)
	o, err := l.Object()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if int64(len(object)) != o.Size() {
		t.Errorf("read %d bytes of %d", len(object), o.Size())
	}
	if x.Frames[0].Lines != 0 || x.Frames[1].Offset != 0 || len(x.Frames) != 5 {
		t.Errorf("frames %+v, want a gap before the lines, and the lines in front of it", x.Frames)
	}
	var text []byte
	for n, place := range x.Frames {
		f, err := l.spool.Codec.DecodePlaced(object[place.Offset:], &place)
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		text = append(text, f.Text...)
	}
	linetest.ReadsPlainly(t, object, text)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		at := random.Int64N(o.Size() + 1)
		p := make([]byte, random.IntN(1+random.IntN(len(object))))
		n, err := o.ReadAt(p, at)
		if want := object[at:min(at+int64(len(p)), o.Size())]; !bytes.Equal(p[:n], want) || err == nil != (n == len(p)) || err != nil && err != io.EOF {
			t.Fatalf("%d bytes at %d: got %d, %v", len(p), at, n, err)
		}
	}
}

// TestObjectOfAFileThatIsCut: half an object is never taken for a whole one.
func TestObjectOfAFileThatIsCut(t *testing.T) {
	l := endedLog(t, linetest.LogText(3000), 0)
	o, err := l.Object()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := os.Truncate(l.path(".log"), l.size-1); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(o)
	if noted := o.Failed(); !errors.Is(err, io.ErrUnexpectedEOF) || noted == nil {
		t.Errorf("got %v, noted %v, want both to say that the file is short", err, noted)
	}
}

func objectBytes(t testing.TB, l *Log) ([]byte, *format.Index) {
	t.Helper()
	o, err := l.Object()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	object, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	seekTable, index, _, err := format.EndSizes(object)
	if err != nil {
		t.Fatal(err)
	}
	before := int64(len(object)) - seekTable - index
	x, err := format.DecodeIndex(object[before:], before)
	if err != nil {
		t.Fatal(err)
	}
	return object, x
}

// TestLittleTextIsOneFrame: and a log of more keeps those that it has.
func TestLittleTextIsOneFrame(t *testing.T) {
	odd := slices.Concat(linetest.FrameTables["no time later"], linetest.FrameTables["partial"], linetest.EqualTimes(7), linetest.FrameTables["no time later"])
	for i := range odd {
		odd[i].Text = odd[i].Text[:min(len(odd[i].Text), 1000)]
	}
	bytesOf := func(size int) (lines []archive.Line) {
		for ; size > 0; size -= 1000 {
			lines = append(lines, archive.Line{Time: linetest.Base + int64(size), Text: bytes.Repeat([]byte{byte('a' + size/1000%26)}, min(size, 1000)-1)})
		}
		return lines
	}
	for _, test := range []struct {
		name  string
		lines []archive.Line
		one   bool
	}{
		{"odd lines", odd, true},
		{"three frames", bytesOf(700_001), true},
		{"a MiB", bytesOf(maxWhole), true},
		{"a byte more", bytesOf(maxWhole + 1), false},
		{"as many lines as a frame has", make([]archive.Line, format.FrameTarget), true},
		{"a line more", make([]archive.Line, format.FrameTarget+1), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := endedLog(t, test.lines, maxWhole)
			object, x := objectBytes(t, l)
			if one := len(x.Frames) == 1; one != test.one {
				t.Errorf("%d frames, want one: %t", len(x.Frames), test.one)
			}
			var got []archive.Line
			var text []byte
			gaps := 0
			for _, place := range x.Frames {
				f, err := l.spool.Codec.DecodePlaced(object[place.Offset:], &place)
				if err != nil {
					t.Fatal(err)
				}
				text, gaps = append(text, f.Text...), gaps+len(f.Gaps)
				if err := f.Lines(func(line archive.Line) bool { got = append(got, line); return true }); err != nil {
					t.Fatal(err)
				}
			}
			linetest.WantLines(t, got, test.lines)
			if gaps != 1 || len(x.Summary.Gaps) != 1 {
				t.Errorf("%d gaps in the frames, %d in the index, want one", gaps, len(x.Summary.Gaps))
			}
			linetest.ReadsPlainly(t, object, text)
			if again, _ := objectBytes(t, l); !bytes.Equal(again, object) {
				t.Error("the second object has other bytes")
			}
		})
	}
}

// TestDamagedSpoolIsPutAsItIs: what is left of such a log is kept, and whoever reads it is told.
func TestDamagedSpoolIsPutAsItIs(t *testing.T) {
	l := endedLog(t, linetest.LogText(3001), maxWhole)
	b, err := os.ReadFile(l.path(".log"))
	if err != nil {
		t.Fatal(err)
	}
	_, data := l.frames[2].Parts()
	b[data+30] ^= 1
	if err := os.WriteFile(l.path(".log"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	object, x := objectBytes(t, l)
	damaged := 0
	for _, place := range x.Frames {
		if _, err := l.spool.Codec.DecodePlaced(object[place.Offset:], &place); errors.Is(err, archive.ErrDamaged) {
			damaged++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if len(x.Frames) != 5 || damaged != 1 {
		t.Errorf("%d frames, %d damaged, want 5 and 1", len(x.Frames), damaged)
	}
}
