package format

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// Index is the table of contents at the end of a log object. Together with the frames it says all there is to say of
// one log, so that a manifest can be made again from log objects alone.
type Index struct {
	Summary archive.Summary
	Frames  []IndexFrame
	Size    int64 // bytes of the object that it was read from
}

// IndexFrame says where one frame lies and what it holds.
type IndexFrame struct {
	Offset    int64 // of the frame, whose head and data lie side by side
	DataFirst bool  // the data lies before the head
	HeadSize  int64
	DataSize  int64
	RawOffset int64 // of its text in the whole text
	RawSize   int64
	FirstLine int64 // number of lines before it
	Lines     int64
	Low, High int64 // earliest and latest time in it, ns since 1970
	CRC       uint32
}

// The versions of an index say how the frames before it lie.
const (
	HeadFirst = 1 // head and data, frame by frame: in the spool, and in log objects of version 1
	DataFirst = 2 // data and head, and data in front of all: in log objects of version 2
)

const (
	// MaxIndex (bytes) and maxFrames bound what a reader allocates for an index: 2^20 frames of 256 KiB are a log of
	// 256 GiB.
	MaxIndex   = 64 << 20
	maxFrames  = 1 << 20
	maxSummary = maxGapText + 64<<10
	// indexTail is the end of an index: its own length and its name, so that it can be found from behind.
	indexTail = 8
	// SeekFooter is the end of a seek table: number of frames, descriptor, magic number.
	SeekFooter      = 9
	seekMagic       = 0x8F92EAB1
	seekEntry       = 8
	minimalFrameLen = 10 // bytes of index for one frame at the least
)

// Size is that of head and data.
func (x *IndexFrame) Size() int64 { return x.HeadSize + x.DataSize }

// Parts returns where a frame's head and its data lie in the object.
func (x *IndexFrame) Parts() (head, data int64) {
	if x.DataFirst {
		return x.Offset + x.DataSize, x.Offset
	}
	return x.Offset, x.Offset + x.HeadSize
}

// Stored yields the frames in the order in which they lie. Many readers take a file that begins with a skippable frame
// for an empty one, so where the first frames have no data the first that has some lies before them.
func Stored(frames []IndexFrame, version byte) iter.Seq[*IndexFrame] {
	front := 0
	if version == DataFirst {
		front = max(0, slices.IndexFunc(frames, func(f IndexFrame) bool { return f.DataSize > 0 }))
	}
	return func(yield func(*IndexFrame) bool) {
		if len(frames) > 0 && !yield(&frames[front]) {
			return
		}
		for n := range frames {
			if n != front && !yield(&frames[n]) {
				return
			}
		}
	}
}

// lay gives each frame its place.
func lay(frames []IndexFrame, version byte) {
	at := int64(0)
	for f := range Stored(frames, version) {
		f.Offset, f.DataFirst = at, version == DataFirst
		at += f.Size()
	}
}

// AppendIndex appends the index and the seek table: the end of a log object whose frames lie as the version says.
func AppendIndex(dst []byte, x *Index, version byte) ([]byte, error) {
	summary, err := json.Marshal(x.Summary)
	if err != nil {
		return dst, fmt.Errorf("encode summary: %w", err)
	}
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, MagicIndex)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, 'E', 'P', 'L', 'X', version)
	dst = append(dst, 0, 0, 0, 0)
	checked := len(dst)
	dst = binary.AppendUvarint(dst, uint64(len(summary)))
	dst = append(dst, summary...)
	dst = binary.AppendUvarint(dst, uint64(len(x.Frames)))
	low := int64(0)
	for _, f := range x.Frames {
		for _, v := range []int64{f.HeadSize, f.DataSize, f.RawSize, f.Lines} {
			dst = binary.AppendUvarint(dst, uint64(v))
		}
		dst = binary.AppendVarint(dst, f.Low-low)
		dst = binary.AppendUvarint(dst, uint64(f.High-f.Low))
		dst = binary.LittleEndian.AppendUint32(dst, f.CRC)
		low = f.Low
	}
	size := len(dst) - start + indexTail
	binary.LittleEndian.PutUint32(dst[checked-4:], crc32.Checksum(dst[checked:], castagnoli))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(size))
	dst = append(dst, "EPLX"...)
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(size-SkippableSize))
	return appendSeekTable(dst, x.Frames, version, uint32(size)), nil
}

// appendSeekTable appends the table of the zstd seekable format, so that other tools can seek too. Our heads and the
// index stand in it as frames of no content.
func appendSeekTable(dst []byte, frames []IndexFrame, version byte, indexSize uint32) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, magicSeekTable)
	dst = append(dst, 0, 0, 0, 0) // length, filled in below
	entry := func(size, text int64) {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(size))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(text))
	}
	for f := range Stored(frames, version) {
		if version == HeadFirst {
			entry(f.HeadSize, 0)
		}
		if f.DataSize > 0 {
			entry(f.DataSize, f.RawSize)
		}
		if version == DataFirst {
			entry(f.HeadSize, 0)
		}
	}
	entry(int64(indexSize), 0)
	entries := len(dst) - start - SkippableSize
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(entries+SeekFooter))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(entries/seekEntry))
	dst = append(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, seekMagic)
}

// EndSizes reads from the last bytes of an object how long its seek table and its index are. It needs
// SeekFooter bytes for the first and the whole seek table for the second: short is how many bytes of the end it
// wants where b is too short, else 0.
func EndSizes(b []byte) (seekTable, index, short int64, err error) {
	if len(b) < SeekFooter {
		return 0, 0, SeekFooter, nil
	}
	footer := b[len(b)-SeekFooter:]
	if binary.LittleEndian.Uint32(footer[5:]) != seekMagic {
		return 0, 0, 0, fmt.Errorf("log object does not end in a seek table: %w", archive.ErrDamaged)
	}
	entries := int64(binary.LittleEndian.Uint32(footer))
	seekTable = SkippableSize + entries*seekEntry + SeekFooter
	if seekTable > MaxIndex {
		return 0, 0, 0, fmt.Errorf("seek table of %d entries: %w", entries, archive.ErrDamaged)
	}
	if int64(len(b)) < seekTable+indexTail {
		return 0, 0, seekTable + indexTail, nil
	}
	tail := b[int64(len(b))-seekTable-indexTail:]
	if string(tail[4:8]) != "EPLX" {
		return 0, 0, 0, fmt.Errorf("no index before the seek table: %w", archive.ErrDamaged)
	}
	index = int64(binary.LittleEndian.Uint32(tail))
	if index > MaxIndex || index < indexTail+SkippableSize {
		return 0, 0, 0, fmt.Errorf("index of %d bytes: %w", index, archive.ErrDamaged)
	}
	if int64(len(b)) < seekTable+index {
		return 0, 0, seekTable + index, nil
	}
	return seekTable, index, 0, nil
}

// DecodeIndex reads the index that b starts with. before is the size of the object up to the index; the frames must
// fill it.
func DecodeIndex(b []byte, before int64) (*Index, error) {
	payload, err := skippable(b, MagicIndex, MaxIndex)
	if err != nil {
		return nil, err
	}
	if len(payload) < 9+indexTail || string(payload[:4]) != "EPLX" {
		return nil, fmt.Errorf("index without its name: %w", archive.ErrDamaged)
	}
	version := payload[4]
	if version != HeadFirst && version != DataFirst {
		return nil, fmt.Errorf("index of version %d, this program reads versions 1 and 2: %w: %w", version, ErrVersion, archive.ErrDamaged)
	}
	body := payload[9 : len(payload)-indexTail]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(payload[5:]) {
		return nil, fmt.Errorf("index's checksum differs: %w", archive.ErrDamaged)
	}
	d := &decoder{rest: body}
	x := &Index{}
	summary := d.bytes(d.count())
	if len(summary) > maxSummary {
		return nil, fmt.Errorf("summary of %d bytes in an index: %w", len(summary), archive.ErrDamaged)
	}
	if err := json.Unmarshal(summary, &x.Summary); err != nil {
		return nil, fmt.Errorf("summary of index: %w: %w", err, archive.ErrDamaged)
	}
	if err := x.decodeFrames(d); err != nil {
		return nil, err
	}
	lay(x.Frames, version)
	return x, x.validate(before)
}

func (x *Index) decodeFrames(d *decoder) error {
	n := d.count()
	if n > maxFrames || n > int64(len(d.rest))/minimalFrameLen {
		d.fail("list of frames")
		return d.err
	}
	x.Frames = make([]IndexFrame, n)
	var at IndexFrame
	for i := range x.Frames {
		f := &x.Frames[i]
		f.RawOffset, f.FirstLine = at.RawOffset, at.FirstLine
		f.HeadSize, f.DataSize, f.RawSize, f.Lines = d.count(), d.count(), d.count(), d.count()
		f.Low, f.High = d.span(at.Low)
		f.CRC = d.uint32()
		at.RawOffset += f.RawSize
		at.FirstLine += f.Lines
		at.Low = f.Low
	}
	if d.err == nil && len(d.rest) > 0 {
		d.err = fmt.Errorf("%d bytes after the index's last frame: %w", len(d.rest), archive.ErrDamaged)
	}
	return d.err
}

// validate checks the index against itself and against the object's size.
func (x *Index) validate(before int64) error {
	var size, raw, lines int64
	for _, f := range x.Frames {
		if f.HeadSize > MaxHead || f.DataSize > 2*MaxFrameRaw || f.RawSize > MaxFrameRaw || f.Lines > MaxFrameRaw {
			return fmt.Errorf("index holds a frame that is larger than any frame: %w", archive.ErrDamaged)
		}
		size, raw, lines = size+f.HeadSize+f.DataSize, raw+f.RawSize, lines+f.Lines
	}
	if size != before || raw != x.Summary.Bytes || lines != x.Summary.Lines {
		return fmt.Errorf("index counts %d bytes, %d raw, %d lines; the object has %d, %d, %d: %w",
			size, raw, lines, before, x.Summary.Bytes, x.Summary.Lines, archive.ErrDamaged)
	}
	return nil
}

// HeadsFirst returns a log object as format version 1 has it, and makes its index that of such a one. Nothing writes
// that version any more, and every version is read for ever: tests hold this program to it.
func HeadsFirst(object []byte, x *Index) ([]byte, error) {
	var old []byte
	for _, f := range x.Frames {
		head, data := f.Parts()
		old = append(append(old, object[head:head+f.HeadSize]...), object[data:data+f.DataSize]...)
	}
	old, err := AppendIndex(old, x, HeadFirst)
	if err == nil {
		lay(x.Frames, HeadFirst)
	}
	return old, err
}
