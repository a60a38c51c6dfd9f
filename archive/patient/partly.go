package patient

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// Partly reads parts of objects out of the whole where the store does not give them, or gives others: slow, and
// right. The probe finds out (Sealer.Probe); until then the store is believed. Safe for concurrent use.
type Partly struct {
	archive.Store
	Whole *atomic.Bool
}

// NewPartly wraps a store for all who read it.
func NewPartly(store archive.Store) *Partly { return &Partly{Store: store, Whole: new(atomic.Bool)} }

// Always is whole from the start.
var Always = func() *atomic.Bool {
	b := new(atomic.Bool)
	b.Store(true)
	return b
}()

// Get is the store's, or for a part, once that is known to be of no use, an error by which open reads the whole.
func (p *Partly) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	if r != (archive.Range{}) && p.Whole.Load() {
		return nil, archive.Object{}, errors.ErrUnsupported
	}
	return p.Store.Get(ctx, key, r)
}

// AbortUploads is the store's; one that takes nothing in parts has none.
func (p *Partly) AbortUploads(ctx context.Context, before time.Time) (int, error) {
	if store, ok := p.Store.(archive.UploadAborter); ok {
		return store.AbortUploads(ctx, before)
	}
	return 0, nil
}
