package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// objectOf makes a log object of one frame for each list of lines.
func objectOf(t testing.TB, c *Codec, frames ...[]archive.Line) (object []byte, x *Index, text []byte) {
	t.Helper()
	return objectAs(t, c, DataFirst, frames...)
}

func objectAs(t testing.TB, c *Codec, version byte, frames ...[]archive.Line) (object []byte, x *Index, text []byte) {
	t.Helper()
	x = &Index{Summary: archive.Summary{Version: archive.FormatVersion}}
	var encoded [][]byte
	for _, lines := range frames {
		f := frameOf(x.Summary.Lines, lines)
		b, h, err := c.Encode(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		if version == DataFirst {
			b = slices.Concat(b[h.Size:], b[:h.Size])
		}
		encoded = append(encoded, b)
		x.Frames = append(x.Frames, IndexFrame{
			HeadSize: h.Size, DataSize: h.DataSize, RawOffset: x.Summary.Bytes, RawSize: h.RawSize,
			FirstLine: h.FirstLine, Lines: h.Lines, Low: h.Low, High: h.High, CRC: h.DataCRC,
		})
		x.Summary.Lines, x.Summary.Bytes = x.Summary.Lines+h.Lines, x.Summary.Bytes+h.RawSize
		text = append(text, f.Text...)
	}
	lay(x.Frames, version)
	size := 0
	for _, b := range encoded {
		size += len(b)
	}
	object = make([]byte, size)
	for n, b := range encoded {
		copy(object[x.Frames[n].Offset:], b)
	}
	object, err := AppendIndex(object, x, version)
	if err != nil {
		t.Fatal(err)
	}
	return object, x, text
}

func tableFrames() (frames [][]archive.Line) {
	names := make([]string, 0, len(linetest.FrameTables))
	for name := range linetest.FrameTables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		frames = append(frames, linetest.FrameTables[name])
	}
	return append(frames, nil) // a frame of gaps only
}

func TestIndexRoundTrip(t *testing.T) {
	onlyGaps := append([][]archive.Line{nil, nil}, tableFrames()...) // in front
	for name, frames := range map[string][][]archive.Line{"none": nil, "one": {linetest.EqualTimes(3)}, "all": tableFrames(), "gaps first": onlyGaps, "gaps": {nil, nil}} {
		for _, version := range []byte{HeadFirst, DataFirst} {
			t.Run(fmt.Sprint(name, " in version ", version), func(t *testing.T) {
				object, want, _ := objectAs(t, testCodec(t), version, frames...)
				seekTable, index, short, err := EndSizes(object)
				if err != nil || short != 0 {
					t.Fatalf("endSizes = %d, %v", short, err)
				}
				before := int64(len(object)) - seekTable - index
				got, err := DecodeIndex(object[before:], before)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Frames, want.Frames) || got.Summary.Lines != want.Summary.Lines {
					t.Errorf("got %+v\nwant %+v", got, want)
				}
				for size := range len(object) {
					if _, _, short, err := EndSizes(object[size:]); short == 0 && err == nil && size > int(before) {
						t.Fatalf("the last %d bytes count as enough, want at least %d", len(object)-size, seekTable+index)
					} else if err != nil && len(object)-size >= SeekFooter {
						t.Fatalf("the last %d bytes: %v", len(object)-size, err)
					}
				}
			})
		}
	}
}

func TestIndexOfAnotherVersion(t *testing.T) {
	object, _, _ := objectAs(t, testCodec(t), 3, linetest.EqualTimes(3))
	seekTable, index, _, err := EndSizes(object)
	if err != nil {
		t.Fatal(err)
	}
	before := int64(len(object)) - seekTable - index
	_, err = DecodeIndex(object[before:], before)
	if !errors.Is(err, ErrVersion) || !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), "index of version 3, this program reads versions 1 and 2") {
		t.Errorf("got %v, want the version named", err)
	}
}

// TestObjectIsPlainZstd reads a log object with programs that know nothing of it.
func TestObjectIsPlainZstd(t *testing.T) {
	for _, version := range []byte{HeadFirst, DataFirst} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			object, _, want := objectAs(t, testCodec(t), version, append([][]archive.Line{nil}, tableFrames()...)...)
			linetest.ReadsPlainly(t, object, want)
			if begins := binary.LittleEndian.Uint32(object); (begins == MagicData) != (version == DataFirst) {
				t.Errorf("the object begins with %#x", begins)
			}
		})
	}
}

func TestIndexFlippedBits(t *testing.T) {
	object, x, _ := objectOf(t, testCodec(t), linetest.EqualTimes(30), linetest.EqualTimes(5))
	seekTable, index, _, err := EndSizes(object)
	if err != nil {
		t.Fatal(err)
	}
	before := int64(len(object)) - seekTable - index
	for at := int(before); at < int(before+index); at++ {
		for bit := range 8 {
			bad := bytes.Clone(object)
			bad[at] ^= 1 << bit
			_, size, short, err := EndSizes(bad)
			if err != nil || short > 0 || size != index {
				continue // found out
			}
			if got, err := DecodeIndex(bad[before:], before); err == nil && !slices.Equal(got.Frames, x.Frames) {
				t.Fatalf("bit %d of byte %d went unseen", bit, at)
			}
		}
	}
}

// forgedIndex is an index of any body with a checksum that is right.
func forgedIndex(body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, MagicIndex)
	b = binary.LittleEndian.AppendUint32(b, uint32(9+len(body)+indexTail))
	b = append(b, "EPLX\x01"...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	b = append(b, body...)
	b = binary.LittleEndian.AppendUint32(b, uint32(SkippableSize+9+len(body)+indexTail))
	return append(b, "EPLX"...)
}

func TestHostileIndexesAllocateLittle(t *testing.T) {
	summary := append(binary.AppendUvarint(nil, 2), "{}"...)
	footer := func(entries uint32) []byte {
		return binary.LittleEndian.AppendUint32(append(binary.LittleEndian.AppendUint32(nil, entries), 0), seekMagic)
	}
	tests := map[string]struct{ index, end []byte }{
		"frames":      {forgedIndex(binary.AppendUvarint(summary, 1<<40)), footer(1)},
		"summary":     {forgedIndex(binary.AppendUvarint(nil, 1<<40)), footer(1)},
		"no frame":    {forgedIndex(append(summary, 5)), footer(1)},
		"rest":        {forgedIndex(append(summary, 0, 1, 2, 3)), footer(1)},
		"seek table":  {nil, footer(1 << 31)},
		"index size":  {[]byte("\xff\xff\xff\xffEPLX12345678"), footer(0)},
		"tiny index":  {[]byte("\x00\x00\x00\x00EPLX12345678"), footer(0)},
		"other magic": {nil, make([]byte, SeekFooter)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, errDecode := DecodeIndex(tt.index, 0)
			_, _, _, errSizes := EndSizes(append(tt.index, tt.end...))
			runtime.ReadMemStats(&after)
			if !errors.Is(errDecode, archive.ErrDamaged) && !errors.Is(errSizes, archive.ErrDamaged) {
				t.Errorf("got %v and %v, want ErrDamaged", errDecode, errSizes)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("%d bytes were allocated", got)
			}
		})
	}
}
