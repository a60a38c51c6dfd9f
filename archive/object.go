package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// firstLook is how much of an object's end is read at first: it holds the index of most logs whole.
const firstLook = 64 << 10

// ReadIndex reads the index of a log object: one range GET for most, two for large ones.
func ReadIndex(ctx context.Context, store Store, key Key) (*Index, error) {
	return lookForIndex(ctx, store, key, firstLook)
}

// lookForIndex looks at so many bytes of the object's end first.
func lookForIndex(ctx context.Context, store Store, key Key, look int64) (*Index, error) {
	for range 3 {
		b, size, err := fetch(ctx, store, key, Range{Offset: -look})
		if err != nil {
			return nil, fmt.Errorf("read index of %s: %w", key, err)
		}
		seekTable, index, short, err := endSizes(b)
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
		x, err := decodeIndex(b[int64(len(b))-seekTable-index:], size-seekTable-index)
		if err != nil {
			return nil, fmt.Errorf("read index of %s: %w", key, err)
		}
		x.size = size
		return x, nil
	}
	return nil, fmt.Errorf("read index of %s: object is too short: %w", key, ErrDamaged)
}

func fetch(ctx context.Context, store Store, key Key, r Range) ([]byte, int64, error) {
	body, object, err := open(ctx, store, key, r)
	if err != nil {
		return nil, 0, err
	}
	const limit = 2 * maxIndex
	b, err := io.ReadAll(io.LimitReader(body, limit))
	if err == nil && int64(len(b)) < min(limit, r.of(object.Size)) {
		err = fmt.Errorf("%w: %d of %d bytes", errShort, len(b), r.of(object.Size))
	}
	return b, object.Size, closing(body, err)
}

// errShort is a fault of the store. It says nothing of what is stored: that is not damaged, and nothing may be concluded from it.
var errShort = errors.New("the store gave fewer bytes than were asked for")

// of gives how many bytes of an object of this size the range is.
func (r Range) of(size int64) int64 {
	start := r.Offset
	if start < 0 {
		start = max(0, size+start)
	}
	left := max(0, size-start)
	if r.Length > 0 {
		return min(left, r.Length)
	}
	return left
}

// open opens a part of an object, on a store without ranges by passing over what is before it.
func open(ctx context.Context, store Store, key Key, r Range) (io.ReadCloser, Object, error) {
	body, object, err := store.Get(ctx, key, r)
	if !errors.Is(err, errors.ErrUnsupported) {
		return body, object, err
	}
	if body, object, err = store.Get(ctx, key, Range{}); err != nil {
		return nil, Object{}, err
	}
	start, length := r.Offset, r.Length
	if start < 0 {
		start = max(0, object.Size+start)
	}
	if length == 0 {
		length = object.Size
	}
	if _, err := io.CopyN(io.Discard, body, min(start, object.Size)); err != nil {
		return nil, Object{}, closing(body, err)
	}
	return part{io.LimitReader(body, length), body}, object, nil
}

// part is a part of a body.
type part struct {
	io.Reader
	io.Closer
}

// Lines gives the lines of a log object whose time is not before since, in order, until yield returns false. Lines without
// a time count as those before them. Each frame is checked; a damaged one ends the reading with an error that names
// object and frame.
func (c *Codec) Lines(ctx context.Context, store Store, key Key, since int64, yield func(Line) bool) error {
	x, err := ReadIndex(ctx, store, key)
	if err != nil {
		return err
	}
	w := &window{since: since, yield: yield}
	for n, place := range x.Frames {
		if w.passes(place.High) {
			continue
		}
		f, err := c.fetchFrame(ctx, store, key, place)
		if err == nil {
			err = w.visit(f)
		}
		if err != nil {
			return fmt.Errorf("read frame %d of %s: %w", n, key, err)
		}
		if w.done {
			return nil
		}
	}
	return nil
}

func (c *Codec) fetchFrame(ctx context.Context, store Store, key Key, place IndexFrame) (*frame, error) {
	b, _, err := fetch(ctx, store, key, Range{Offset: place.Offset, Length: place.size()})
	if err != nil {
		return nil, err
	}
	return c.decodePlaced(b, &place)
}

// exists says whether there is an object, by its first byte: that takes no right but to read it.
func exists(ctx context.Context, b *breaker, store Store, key Key) (bool, error) {
	err := b.do(ctx, "look for "+string(key), func(ctx context.Context) error {
		r, _, err := open(ctx, store, key, Range{Length: 1})
		if err == nil {
			err = r.Close()
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
