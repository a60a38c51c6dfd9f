package archivetest

import (
	"context"
	"fmt"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// StoredLines yields the lines of a log object whose time is not before since, in order, until yield returns false.
// Lines without a time count as those before them. Each frame is checked; a damaged one ends the reading with an error
// that names object and frame.
func StoredLines(ctx context.Context, c *format.Codec, store archive.Store, key archive.Key, since int64, yield func(archive.Line) bool) error {
	x, err := format.ReadIndex(ctx, store, key)
	if err != nil {
		return err
	}
	w := &format.Window{Since: since, Yield: yield}
	for n, place := range x.Frames {
		if w.Passes(place.High) {
			continue
		}
		b, _, err := format.Fetch(ctx, store, key, archive.Range{Offset: place.Offset, Length: place.Size()})
		var f *format.Frame
		if err == nil {
			f, err = c.DecodePlaced(b, &place)
		}
		if err == nil {
			err = w.Visit(f)
		}
		if err != nil {
			return fmt.Errorf("read frame %d of %s: %w", n, key, err)
		}
		if w.Done {
			return nil
		}
	}
	return nil
}
