package format

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
)

// Codec compresses and reads frames. One Codec serves the whole process: an encoder for each log would hold 0.6 to 18
// MiB, the shared one holds about 9 MiB for each core in all, however many logs are open. Safe for concurrent use.
type Codec struct {
	Encoder *zstd.Encoder
	decoder *zstd.Decoder
	buffers sync.Pool // of *[]byte, for compressed and scratch bytes
}

// NewCodec makes a Codec. It starts no goroutine.
func NewCodec() (*Codec, error) {
	// A single segment always says its size, which is what lets a reader bound its memory before it decodes.
	// The bytes of a column's planes repeat nothing and are entropy alone, which the fastest level would not look for.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(FrameTarget),
		zstd.WithSingleSegment(true), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxHead))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	c := &Codec{Encoder: encoder, decoder: decoder}
	c.Release(c.compress([]byte{0})) // has the encoder take its memory now
	return c, nil
}

// Scratch returns an empty buffer with room in it; Release takes it back. One that is not given back is garbage, no
// leak.
func (c *Codec) Scratch() []byte {
	if b, ok := c.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 64<<10)
}

// Release takes back a buffer of Scratch, grown or not. Nobody may use it any more, nor what points into it.
func (c *Codec) Release(b []byte) { c.buffers.Put(&b) }

// compress returns one whole zstd frame, also for no bytes at all; release takes it back.
func (c *Codec) compress(raw []byte) []byte {
	if len(raw) == 0 {
		return append(c.Scratch(), emptyFrame...)
	}
	return c.Encoder.EncodeAll(raw, c.Scratch())
}

// emptyFrame is a zstd frame of no bytes: magic, single segment of size 0, one last raw block of size 0.
var emptyFrame = []byte{0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x00, 0x01, 0x00, 0x00}

// decompress returns the raw bytes of one zstd frame, at most limit of them.
func (c *Codec) decompress(data []byte, limit int64) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(data); err != nil {
		return nil, fmt.Errorf("zstd header: %w: %w", err, archive.ErrDamaged)
	}
	if h.Skippable || !h.HasFCS || h.FrameContentSize > uint64(limit) {
		return nil, fmt.Errorf("zstd frame does not say its size, or says more than %d bytes: %w", limit, archive.ErrDamaged)
	}
	raw, err := c.decoder.DecodeAll(data, make([]byte, 0, h.FrameContentSize))
	if err != nil {
		return nil, fmt.Errorf("zstd frame: %w: %w", err, archive.ErrDamaged)
	}
	return raw, nil
}
