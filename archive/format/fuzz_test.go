package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// FuzzFrame decodes hostile frames, also with the checksums made right, as only a forger would.
func FuzzFrame(f *testing.F) {
	c := testCodec(f)
	for name, lines := range linetest.FrameTables {
		if len(lines) > 100 || name == "longest line" || name == "longest partial" {
			continue
		}
		b, _, err := c.Encode(nil, frameOf(1, lines, archive.Gap{Reason: archive.GapRotated}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := c.Decode(b); err != nil && !errors.Is(err, archive.ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		b = sealHead(bytes.Clone(b))
		if h, err := DecodeHead(b); err == nil && h.DataSize <= int64(len(b))-h.Size && h.Size >= SkippableSize+13 {
			binary.LittleEndian.PutUint32(b[SkippableSize+9:], crc32.Checksum(b[h.Size:h.Size+h.DataSize], castagnoli))
			sealHead(b)
		}
		got, _, err := c.Decode(b)
		if err != nil {
			return
		}
		var lines []archive.Line
		if err := got.Lines(func(l archive.Line) bool { lines = append(lines, l); return true }); err != nil {
			return
		}
		again, _, err := c.Encode(nil, frameOf(got.FirstLine, lines, got.Gaps...))
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		same, _, err := c.Decode(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		linetest.WantLines(t, same.all(t), lines)
	})
}

func FuzzIndex(f *testing.F) {
	object, _, _ := objectOf(f, testCodec(f), linetest.EqualTimes(3), linetest.FrameTables["no time later"])
	f.Add(object)
	empty, _, _ := objectOf(f, testCodec(f))
	f.Add(empty)
	f.Fuzz(func(t *testing.T, b []byte) {
		seekTable, index, short, err := EndSizes(b)
		if err != nil && !errors.Is(err, archive.ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		if err != nil || short > 0 {
			return
		}
		before := int64(len(b)) - seekTable - index
		b = bytes.Clone(b)
		if end := before + index - indexTail; end > before+SkippableSize+9 {
			sum := crc32.Checksum(b[before+SkippableSize+9:end], castagnoli)
			binary.LittleEndian.PutUint32(b[before+SkippableSize+5:], sum)
		}
		x, err := DecodeIndex(b[before:], before)
		if err != nil && !errors.Is(err, archive.ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		if err == nil && int64(len(x.Frames))*minimalFrameLen > index {
			t.Fatalf("%d frames in %d bytes", len(x.Frames), index)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":"v1","instances":[{"container":"c","gaps":[{"reason":"rotated"}],"log":{"first":"2026-01-01T00:00:00Z"}}]}`))
	f.Add([]byte(`{"version":"v2"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := archive.ReadManifest(bytes.NewReader(b))
		if err != nil && !errors.Is(err, archive.ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		if err == nil && m.Version != archive.FormatVersion {
			t.Fatalf("took a manifest of version %q", m.Version)
		}
	})
}
