package patient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// Store is a Store that waits the outages of another one out: each of its methods is tried until it works, or until
// the store says something of the object that is final, or the context ends. The bytes of an object are asked for again
// where the store breaks off. Where the store does not know IfAbsent the key is looked for first.
type Store struct {
	// GivesUp is set by those whose puts are many, and come again later: a put that has failed often is given up for
	// now, so that as many requests of which the store takes none as there are callers do not keep all others out. The
	// error is ErrRefused where the store worked for others meanwhile.
	GivesUp bool

	store   lookFirst
	breaker *breaker
}

// New makes a patient store of one that counts as well until a request fails. failed is called with each failed try,
// from any goroutine; what is only an answer is none.
func New(store archive.Store, log *slog.Logger, failed func(error)) *Store {
	return &Store{store: lookFirst{Store: store}, breaker: newBreaker(log, failed)}
}

// Works reports whether the store answered last.
func (s *Store) Works() bool { return s.breaker.ok() }

// Body is what PutMade puts.
type Body interface {
	io.ReadSeekCloser
	// Failed returns the error of the disk, nil where it did not fail.
	Failed() error
}

// PutMade is Put of a body that is made anew for each try and closed after it: all that wait for a store in trouble
// would hold theirs. ErrSpoolFile: the body could not be made or read.
func (s *Store) PutMade(ctx context.Context, key archive.Key, body func() (Body, error), opts archive.PutOptions) error {
	return s.put(ctx, key, func(ctx context.Context) error {
		b, err := body()
		if err != nil {
			return fmt.Errorf("%w: %w", errSpoolFile, err)
		}
		defer b.Close()
		return s.putOnce(ctx, key, b, opts)
	})
}

// Put is archive.Store's. ErrSpoolFile: the body is a SpoolFile, and could not be read.
func (s *Store) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	return s.put(ctx, key, func(ctx context.Context) error { return s.putOnce(ctx, key, body, opts) })
}

func (s *Store) put(ctx context.Context, key archive.Key, once func(context.Context) error) error {
	if s.GivesUp {
		return s.breaker.put(ctx, "put "+string(key), once)
	}
	return s.breaker.do(ctx, "put "+string(key), once)
}

func (s *Store) putOnce(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	err := s.store.Put(ctx, key, body, opts)
	if file, ok := body.(interface{ Failed() error }); ok && err != nil && file.Failed() != nil {
		return fmt.Errorf("%w: %w", errSpoolFile, file.Failed())
	}
	return err
}

// Get is archive.Store's. The bytes are waited for as the object is.
func (s *Store) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	b := &body{ctx: ctx, store: s, what: "get " + string(key), key: key, r: r}
	var object archive.Object
	err := s.breaker.do(ctx, b.what, func(ctx context.Context) (err error) {
		b.in, object, err = s.store.Get(ctx, key, r)
		return err
	})
	if err != nil {
		return nil, archive.Object{}, err
	}
	b.size = r.Of(object.Size)
	return b, object, nil
}

// body is the bytes that a Get asked for.
type body struct {
	ctx   context.Context // of the Get, which its bytes do not outlive
	store *Store
	what  string // is done, for the log
	key   archive.Key
	r     archive.Range
	in    io.ReadCloser // nil: the store broke off
	at    int64         // bytes that were read
	size  int64         // that there must be
}

func (b *body) Read(p []byte) (n int, err error) {
	end := false
	err = b.store.breaker.do(b.ctx, b.what, func(ctx context.Context) (err error) {
		if b.in == nil {
			err = b.open(ctx)
		}
		if err == nil {
			n, err = b.in.Read(p)
		}
		if end = errors.Is(err, io.EOF) && n == 0 && b.at >= b.size; n > 0 || err == nil || end {
			return nil
		}
		return errors.Join(format.NoEOF(err), b.Close())
	})
	if b.at += int64(n); end {
		return 0, io.EOF
	}
	return n, err
}

// open asks for the same bytes again and passes over those that were read: what a store gives for another range is
// known as little as what it gives for this one.
func (b *body) open(ctx context.Context) (err error) {
	if b.in, _, err = format.Open(ctx, &b.store.store, b.key, b.r); err == nil {
		_, err = io.CopyN(io.Discard, b.in, b.at)
	}
	return err
}

func (b *body) Close() (err error) {
	if b.in != nil {
		err = b.in.Close()
	}
	b.in = nil
	return err
}

// List is archive.Store's. Some objects are listed together before they are given, so that nobody holds up the probing
// of a store in trouble by what it does with them.
func (s *Store) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	const together = 1000
	return func(yield func(archive.Object, error) bool) {
		for {
			var some []archive.Object
			err := s.breaker.do(ctx, "list "+prefix, func(ctx context.Context) error {
				some = nil
				for object, err := range s.store.List(ctx, prefix, after) {
					if err != nil {
						return err
					}
					if some = append(some, object); len(some) == together {
						break
					}
				}
				return nil
			})
			if err != nil {
				yield(archive.Object{}, err)
				return
			}
			for _, object := range some {
				if !yield(object, nil) {
					return
				}
			}
			if len(some) < together {
				return
			}
			after = some[len(some)-1].Key
		}
	}
}

// Delete is archive.Store's.
func (s *Store) Delete(ctx context.Context, keys ...archive.Key) error {
	return s.breaker.do(ctx, "delete objects", func(ctx context.Context) error { return s.store.Delete(ctx, keys...) })
}

// Probe finds out what the store can do, waiting for as long as it does not answer, and goes another way from then on
// where it must. Until then the store counts as in trouble.
func (s *Store) Probe(ctx context.Context) (can Capabilities, err error) {
	err = s.breaker.do(ctx, "probe store", func(ctx context.Context) error {
		can, err = Probe(ctx, s.store.Store)
		return err
	})
	if partly, ok := s.store.Store.(*Partly); ok && err == nil && !can.Ranges {
		partly.Whole.Store(true)
		s.breaker.log.Warn("the store does not give the parts of objects that it is asked for; objects are read as a whole")
	}
	if err == nil && !can.ConditionalPut {
		s.store.needed.Store(true)
		s.breaker.log.Warn("the store has no conditional put; each key is looked for before it is written")
	}
	return can, err
}
