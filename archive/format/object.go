package format

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// FirstLook is how much of an object's end is read at first: it holds the index of most logs whole.
const FirstLook = 64 << 10

// ReadIndex reads the index of a log object: one range GET for most, two for large ones.
func ReadIndex(ctx context.Context, store archive.Store, key archive.Key) (*Index, error) {
	return LookForIndex(ctx, store, key, FirstLook)
}

// LookForIndex looks at so many bytes of the object's end first.
func LookForIndex(ctx context.Context, store archive.Store, key archive.Key, look int64) (*Index, error) {
	for range 3 {
		b, size, err := Fetch(ctx, store, key, archive.Range{Offset: -look})
		if err != nil {
			return nil, fmt.Errorf("read index of %s: %w", key, err)
		}
		seekTable, index, short, err := EndSizes(b)
		if err != nil {
			return nil, fmt.Errorf("read index of %s: %w", key, err)
		}
		if short > 0 {
			if int64(len(b)) == size {
				break
			}
			look = max(short, 2*look)
			continue
		}
		x, err := DecodeIndex(b[int64(len(b))-seekTable-index:], size-seekTable-index)
		if err != nil {
			return nil, fmt.Errorf("read index of %s: %w", key, err)
		}
		x.Size = size
		return x, nil
	}
	return nil, fmt.Errorf("read index of %s: object is too short: %w", key, archive.ErrDamaged)
}

// Fetch reads a range of an object into memory, and returns the size of the whole object, too. Fewer bytes than there
// must be are an error of the store, which says nothing of the object. More than 128 MiB, twice the largest index, are
// never read.
func Fetch(ctx context.Context, store archive.Store, key archive.Key, r archive.Range) ([]byte, int64, error) {
	body, object, err := Open(ctx, store, key, r)
	if err != nil {
		return nil, 0, err
	}
	const limit = 2 * MaxIndex
	b, err := io.ReadAll(io.LimitReader(body, limit))
	if err == nil && int64(len(b)) < min(limit, r.Of(object.Size)) {
		err = fmt.Errorf("%w: %d of %d bytes", errShort, len(b), r.Of(object.Size))
	}
	return b, object.Size, Closing(body, err)
}

// errShort is a fault of the store. It says nothing of what is stored: that is not damaged, and nothing may be
// concluded from it.
var errShort = errors.New("the store gave fewer bytes than were asked for")

// Open opens a part of an object, on a store without ranges by passing over what is before it.
func Open(ctx context.Context, store archive.Store, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	body, object, err := store.Get(ctx, key, r)
	if !errors.Is(err, errors.ErrUnsupported) {
		return body, object, err
	}
	if body, object, err = store.Get(ctx, key, archive.Range{}); err != nil {
		return nil, archive.Object{}, err
	}
	start, length := r.Offset, r.Length
	if start < 0 {
		start = max(0, object.Size+start)
	}
	if length == 0 {
		length = object.Size
	}
	if _, err := io.CopyN(io.Discard, body, min(start, object.Size)); err != nil {
		return nil, archive.Object{}, Closing(body, err)
	}
	return part{io.LimitReader(body, length), body}, object, nil
}

// part is a part of a body.
type part struct {
	io.Reader
	io.Closer
}

// WriteAt makes a file end at a place with b, also where there is no file. What stood behind the place, as a
// torn write leaves it, goes first. After an error or a crash the file has its bytes up to the place, and behind it any
// part of b; the next call at the same place repairs that. It does not sync.
func WriteAt(path string, at int64, b []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := file.Truncate(at); err != nil {
		return Closing(file, err)
	}
	_, err = file.WriteAt(b, at)
	return Closing(file, err)
}

// Closing closes c and returns the first of the two errors.
func Closing(c io.Closer, err error) error {
	if cerr := c.Close(); err == nil {
		return cerr
	}
	return err
}

// ReadFrame reads and decodes the one frame that lies at a place of a file, head first, in size bytes.
func (c *Codec) ReadFrame(r io.ReaderAt, at, size int64) (*Frame, error) {
	b := make([]byte, size)
	if _, err := r.ReadAt(b, at); err != nil {
		return nil, err
	}
	f, _, err := c.Decode(b)
	return f, err
}

// DecodePlaced decodes the frame at the start of b, which must be the one that the index names.
func (c *Codec) DecodePlaced(b []byte, place *IndexFrame) (*Frame, error) {
	if int64(len(b)) < place.Size() {
		return nil, fmt.Errorf("frame at line %d is cut: %w", place.FirstLine, archive.ErrDamaged)
	}
	at, data := place.Parts()
	at, data = at-place.Offset, data-place.Offset
	h, err := DecodeHead(b[at : at+place.HeadSize])
	if err != nil {
		return nil, err
	}
	if h.FirstLine != place.FirstLine || h.Lines != place.Lines || h.RawSize != place.RawSize || h.DataSize != place.DataSize || h.DataCRC != place.CRC {
		return nil, fmt.Errorf("not the frame that the index names: %w", archive.ErrDamaged)
	}
	return c.DecodeData(&h, b[data:data+place.DataSize])
}

// ReadFrameBytes reads one frame of at most limit bytes. ErrDamaged: there is no telling where it ends.
func ReadFrameBytes(r io.Reader, limit int64) ([]byte, error) {
	b := make([]byte, SkippableSize)
	if limit < SkippableSize {
		return nil, archive.ErrDamaged
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRead, NoEOF(err))
	}
	n := SkippableSize + int64(binary.LittleEndian.Uint32(b[4:]))
	if n > MaxHead || n > limit {
		return nil, archive.ErrDamaged
	}
	b = slices.Grow(b, int(n))[:n]
	if _, err := io.ReadFull(r, b[SkippableSize:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRead, NoEOF(err))
	}
	h, err := DecodeHead(b)
	if err != nil {
		return nil, err
	}
	if n+h.DataSize > limit {
		return nil, archive.ErrDamaged
	}
	b = slices.Grow(b, int(h.DataSize))[:n+h.DataSize]
	if _, err := io.ReadFull(r, b[n:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRead, NoEOF(err))
	}
	return b, nil
}
