package archive

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// Parts gives where the head and the data of a frame lie.
func (x *IndexFrame) Parts() (head, data int64) { return x.parts() }

// HeadsFirst gives a log object as version 1 has it, and its index that.
func HeadsFirst(t testing.TB, object []byte, x *Index) []byte {
	t.Helper()
	var old []byte
	for _, f := range x.Frames {
		head, data := f.parts()
		old = append(append(old, object[head:head+f.HeadSize]...), object[data:data+f.DataSize]...)
	}
	old, err := appendIndex(old, x, headFirst)
	if err != nil {
		t.Fatal(err)
	}
	lay(x.Frames, headFirst)
	return old
}

// endedLog is a log that has ended, whose first frame holds a gap and no line.
func endedLog(t *testing.T, lines []Line) *Log {
	t.Helper()
	l := logOf(t, spoolWith(t, t.TempDir(), 0, 0), "c")
	l.Gap(Gap{Reason: GapLateStart})
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

// TestObjectIsTheSpoolInAnotherOrder reads it in pieces of every size: each is that of the object that was read at once, and that is valid.
func TestObjectIsTheSpoolInAnotherOrder(t *testing.T) {
	l := endedLog(t, logText(3001))
	o, err := l.object()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	object, err := io.ReadAll(o)
	if err != nil || int64(len(object)) != o.Size() {
		t.Fatalf("read %d of %d bytes: %v", len(object), o.Size(), err)
	}
	seekTable, index, _, err := endSizes(object)
	if err != nil {
		t.Fatal(err)
	}
	before := int64(len(object)) - seekTable - index
	x, err := decodeIndex(object[before:], before)
	if err != nil {
		t.Fatal(err)
	}
	if x.Frames[0].Lines != 0 || x.Frames[1].Offset != 0 || len(x.Frames) != 5 {
		t.Errorf("frames %+v, want a gap before the lines, and the lines in front of it", x.Frames)
	}
	var text []byte
	for n, place := range x.Frames {
		f, err := l.spool.codec.decodePlaced(object[place.Offset:], &place)
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		text = append(text, f.text...)
	}
	readsPlainly(t, object, text)
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
	l := endedLog(t, logText(3000))
	o, err := l.object()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := os.Truncate(l.path(".log"), l.size-1); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(o)
	if noted := o.file.err.Load(); !errors.Is(err, io.ErrUnexpectedEOF) || noted == nil {
		t.Errorf("got %v, noted %v, want both to say that the file is short", err, noted)
	}
}
