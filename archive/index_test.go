package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
)

// objectOf makes a log object of one frame for each list of lines.
func objectOf(t testing.TB, c *Codec, frames ...[]Line) (object []byte, x *Index, text []byte) {
	t.Helper()
	return objectAs(t, c, dataFirst, frames...)
}

func objectAs(t testing.TB, c *Codec, version byte, frames ...[]Line) (object []byte, x *Index, text []byte) {
	t.Helper()
	x = &Index{Summary: Summary{Version: formatVersion}}
	var encoded [][]byte
	for _, lines := range frames {
		f := frameOf(x.Summary.Lines, lines)
		b, h, err := c.encode(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		if version == dataFirst {
			b = slices.Concat(b[h.size:], b[:h.size])
		}
		encoded = append(encoded, b)
		x.Frames = append(x.Frames, IndexFrame{
			HeadSize: h.size, DataSize: h.DataSize, RawOffset: x.Summary.Bytes, RawSize: h.RawSize,
			FirstLine: h.FirstLine, Lines: h.Lines, Low: h.Low, High: h.High, CRC: h.DataCRC,
		})
		x.Summary.Lines, x.Summary.Bytes = x.Summary.Lines+h.Lines, x.Summary.Bytes+h.RawSize
		text = append(text, f.text...)
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
	object, err := appendIndex(object, x, version)
	if err != nil {
		t.Fatal(err)
	}
	return object, x, text
}

func tableFrames() (frames [][]Line) {
	names := make([]string, 0, len(frameTables))
	for name := range frameTables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		frames = append(frames, frameTables[name])
	}
	return append(frames, nil) // a frame of gaps only
}

func TestIndexRoundTrip(t *testing.T) {
	onlyGaps := append([][]Line{nil, nil}, tableFrames()...) // in front
	for name, frames := range map[string][][]Line{"none": nil, "one": {equalTimes(3)}, "all": tableFrames(), "gaps first": onlyGaps, "gaps": {nil, nil}} {
		for _, version := range []byte{headFirst, dataFirst} {
			t.Run(fmt.Sprint(name, " in version ", version), func(t *testing.T) {
				object, want, _ := objectAs(t, testCodec(t), version, frames...)
				seekTable, index, short, err := endSizes(object)
				if err != nil || short != 0 {
					t.Fatalf("endSizes = %d, %v", short, err)
				}
				before := int64(len(object)) - seekTable - index
				got, err := decodeIndex(object[before:], before)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Frames, want.Frames) || got.Summary.Lines != want.Summary.Lines {
					t.Errorf("got %+v\nwant %+v", got, want)
				}
				for size := range len(object) {
					if _, _, short, err := endSizes(object[size:]); short == 0 && err == nil && size > int(before) {
						t.Fatalf("the last %d bytes count as enough, want at least %d", len(object)-size, seekTable+index)
					} else if err != nil && len(object)-size >= seekFooter {
						t.Fatalf("the last %d bytes: %v", len(object)-size, err)
					}
				}
			})
		}
	}
}

func TestIndexOfAnotherVersion(t *testing.T) {
	object, _, _ := objectAs(t, testCodec(t), 3, equalTimes(3))
	seekTable, index, _, err := endSizes(object)
	if err != nil {
		t.Fatal(err)
	}
	before := int64(len(object)) - seekTable - index
	_, err = decodeIndex(object[before:], before)
	if !errors.Is(err, errVersion) || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "index of version 3, this program reads versions 1 and 2") {
		t.Errorf("got %v, want the version named", err)
	}
}

// TestObjectIsPlainZstd reads a log object with programs that know nothing of it.
func TestObjectIsPlainZstd(t *testing.T) {
	for _, version := range []byte{headFirst, dataFirst} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			object, _, want := objectAs(t, testCodec(t), version, append([][]Line{nil}, tableFrames()...)...)
			readsPlainly(t, object, want)
			if begins := binary.LittleEndian.Uint32(object); (begins == magicData) != (version == dataFirst) {
				t.Errorf("the object begins with %#x", begins)
			}
		})
	}
}

func readsPlainly(t *testing.T, object, want []byte) {
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

func TestIndexFlippedBits(t *testing.T) {
	object, x, _ := objectOf(t, testCodec(t), equalTimes(30), equalTimes(5))
	seekTable, index, _, err := endSizes(object)
	if err != nil {
		t.Fatal(err)
	}
	before := int64(len(object)) - seekTable - index
	for at := int(before); at < int(before+index); at++ {
		for bit := range 8 {
			bad := bytes.Clone(object)
			bad[at] ^= 1 << bit
			_, size, short, err := endSizes(bad)
			if err != nil || short > 0 || size != index {
				continue // found out
			}
			if got, err := decodeIndex(bad[before:], before); err == nil && !slices.Equal(got.Frames, x.Frames) {
				t.Fatalf("bit %d of byte %d went unseen", bit, at)
			}
		}
	}
}

// forgedIndex is an index of any body with a checksum that is right.
func forgedIndex(body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, magicIndex)
	b = binary.LittleEndian.AppendUint32(b, uint32(9+len(body)+indexTail))
	b = append(b, "EPLX\x01"...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	b = append(b, body...)
	b = binary.LittleEndian.AppendUint32(b, uint32(skippableSize+9+len(body)+indexTail))
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
		"other magic": {nil, make([]byte, seekFooter)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, errDecode := decodeIndex(tt.index, 0)
			_, _, _, errSizes := endSizes(append(tt.index, tt.end...))
			runtime.ReadMemStats(&after)
			if !errors.Is(errDecode, ErrDamaged) && !errors.Is(errSizes, ErrDamaged) {
				t.Errorf("got %v and %v, want ErrDamaged", errDecode, errSizes)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("%d bytes were allocated", got)
			}
		})
	}
}
