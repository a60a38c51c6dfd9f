package patient

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// LookFirst makes IfAbsent mean something on a store that does not know it: it looks before it puts. Two writers at the
// same instant can both put then. What they put under one key is the same log or the same pod's manifest, and the
// sealer reads the manifest back.
type LookFirst struct {
	archive.Store
	Needed atomic.Bool // the probe, or an answer, showed that the store has no conditional put
}

// Put is the store's Put. With IfAbsent, on a store that cannot do this, it looks for the key first and returns
// ErrExists where that is taken; who puts between the look and the put is overwritten.
func (s *LookFirst) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	if err := archive.CheckKey(key); err != nil {
		return err
	}
	if opts.IfAbsent && !s.Needed.Load() {
		err := s.Store.Put(ctx, key, body, opts)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		s.Needed.Store(true)
	}
	if opts.IfAbsent {
		opts.IfAbsent = false
		switch r, _, err := format.Open(ctx, s.Store, key, archive.Range{Length: 1}); {
		case err == nil:
			r.Close() // only its being there was asked
			return archive.ErrExists
		case !errors.Is(err, archive.ErrNotFound):
			return err
		}
	}
	return s.Store.Put(ctx, key, body, opts)
}

// IgnoreNotFound returns nil for ErrNotFound, and any other error as it is: for removing what may be gone.
func IgnoreNotFound(err error) error {
	if errors.Is(err, archive.ErrNotFound) {
		return nil
	}
	return err
}

// Exists says whether there is an object, by its first byte: that takes no right but to read it.
func Exists(ctx context.Context, b *Breaker, store archive.Store, key archive.Key) (bool, error) {
	err := b.Do(ctx, "look for "+string(key), func(ctx context.Context) error {
		r, _, err := format.Open(ctx, store, key, archive.Range{Length: 1})
		if err == nil {
			err = r.Close()
		}
		return err
	})
	if errors.Is(err, archive.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
