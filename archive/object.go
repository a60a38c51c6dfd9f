package archive

import (
	"context"
	"fmt"
	"io"
)

// firstLook is how much of an object's end is read at first: it holds the index of most logs whole.
const firstLook = 64 << 10

// ReadIndex reads the index of a log object: one range GET for most, two for large ones.
func ReadIndex(ctx context.Context, store Store, key Key) (*Index, error) {
	look := int64(firstLook)
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
		return x, nil
	}
	return nil, fmt.Errorf("read index of %s: object is too short: %w", key, ErrDamaged)
}

func fetch(ctx context.Context, store Store, key Key, r Range) ([]byte, int64, error) {
	body, object, err := store.Get(ctx, key, r)
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	limit := int64(2 * maxIndex)
	b, err := io.ReadAll(io.LimitReader(body, limit))
	return b, object.Size, err
}

// Lines gives the lines of a log object from the first one that is not before since, in order, until yield returns
// false. Each frame is checked; a damaged one ends the reading with an error that names object and frame.
func (c *Codec) Lines(ctx context.Context, store Store, key Key, since int64, yield func(Line) bool) error {
	x, err := ReadIndex(ctx, store, key)
	if err != nil {
		return err
	}
	more := true
	for n, place := range x.Frames {
		if place.High < since || place.Lines == 0 {
			continue
		}
		b, _, err := fetch(ctx, store, key, Range{Offset: place.Offset, Length: place.HeadSize + place.DataSize})
		if err != nil {
			return fmt.Errorf("read frame %d of %s: %w", n, key, err)
		}
		f, _, err := c.decode(b)
		if err != nil {
			return fmt.Errorf("read frame %d of %s: %w", n, key, err)
		}
		err = f.lines(func(l Line) bool {
			if l.Time >= since {
				more = yield(l)
			}
			return more
		})
		if err != nil {
			return fmt.Errorf("read frame %d of %s: %w", n, key, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}
