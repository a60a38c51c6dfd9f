package patient

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// lookFirst makes IfAbsent mean something on a store that does not know it: it looks before it puts. Two writers at the
// same instant can both put then. What they put under one key is the same log or the same pod's manifest, and the
// sealer reads the manifest back.
type lookFirst struct {
	archive.Store
	needed atomic.Bool // the probe, or an answer, showed that the store has no conditional put
}

// Put is the store's Put. With IfAbsent, on a store that cannot do this, it looks for the key first and returns
// ErrExists where that is taken; one that puts between the look and the put is overwritten.
func (s *lookFirst) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	if err := archive.CheckKey(key); err != nil {
		return err
	}
	if opts.IfAbsent && !s.needed.Load() {
		err := s.Store.Put(ctx, key, body, opts)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		s.needed.Store(true)
	}
	if opts.IfAbsent {
		opts.IfAbsent = false
		if there, err := Exists(ctx, s.Store, key); there || err != nil {
			return cmp.Or(err, archive.ErrExists)
		}
	}
	return s.Store.Put(ctx, key, body, opts)
}

// Exists reports whether there is an object, by its first byte: that takes no right but to read it.
func Exists(ctx context.Context, store archive.Store, key archive.Key) (bool, error) {
	r, _, err := format.Open(ctx, store, key, archive.Range{Length: 1})
	if err == nil {
		err = r.Close()
	}
	if errors.Is(err, archive.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
