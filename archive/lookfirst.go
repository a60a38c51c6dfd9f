package archive

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// lookFirst makes IfAbsent mean something on a store that does not know it: it looks before it puts. Two writers at the
// same instant can both put then. What they put under one key is the same log or the same pod's manifest, and the sealer
// reads the manifest back.
type lookFirst struct {
	Store
	needed atomic.Bool // the probe, or an answer, showed that the store has no conditional put
}

func (s *lookFirst) Put(ctx context.Context, key Key, body io.ReadSeeker, opts PutOptions) error {
	if err := CheckKey(key); err != nil {
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
		switch r, _, err := open(ctx, s.Store, key, Range{Length: 1}); {
		case err == nil:
			r.Close() // only its being there was asked
			return ErrExists
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	return s.Store.Put(ctx, key, body, opts)
}
