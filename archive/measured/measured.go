// Package measured counts and times what is asked of a store. It keeps nothing and changes no answer: what stands
// before it and what stands behind it need not know that it is there.
package measured

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/metrics"
)

// New returns the store, counted in m. What it can do beyond archive.Store it can do still.
func New(store archive.Store, m *metrics.Store) archive.Store {
	s := measured{store, m}
	if uploads, ok := store.(aborter); ok {
		return withUploads{s, uploads}
	}
	return s
}

// aborter is a store that takes large objects in parts.
type aborter interface {
	AbortUploads(ctx context.Context, before time.Time) (int, error)
}

type withUploads struct {
	measured
	aborter
}

type measured struct {
	store archive.Store
	count *metrics.Store
}

var _ archive.Store = measured{}

// Put is archive.Store's.
func (s measured) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	o := s.begin(ctx, "upload")
	size, err := body.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = body.Seek(0, io.SeekStart)
	}
	if err != nil {
		err = fmt.Errorf("put %s: measure body: %w", key, err)
	} else {
		err = s.store.Put(ctx, key, body, opts)
	}
	o.moved = size
	o.end(err)
	if err == nil {
		s.count.LastUpload.SetToCurrentTime()
	}
	return err
}

// Get is archive.Store's. It is over when the reader is closed.
func (s measured) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	name := "get"
	if r != (archive.Range{}) {
		name = "get_range"
	}
	o := s.begin(ctx, name)
	body, object, err := s.store.Get(ctx, key, r)
	if err != nil {
		o.end(err)
		return body, object, err
	}
	return &reader{ReadCloser: body, operation: o}, object, nil
}

// List is archive.Store's. It is over with the last object, or when the caller has enough.
func (s measured) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		o := s.begin(ctx, "iter")
		var failed error
		for object, err := range s.store.List(ctx, prefix, after) {
			failed = err
			if !yield(object, err) {
				break
			}
		}
		o.end(failed)
	}
}

// Delete is archive.Store's.
func (s measured) Delete(ctx context.Context, keys ...archive.Key) error {
	o := s.begin(ctx, "delete")
	err := s.store.Delete(ctx, keys...)
	o.end(err)
	return err
}

// operation is one that is under way.
type operation struct {
	name  string
	count *metrics.Store
	start time.Time
	moved int64        // bytes
	left  func() error // not nil once the caller does not wait any more
}

func (s measured) begin(ctx context.Context, name string) *operation {
	s.count.Operations.WithLabelValues(name).Inc()
	return &operation{name: name, count: s.count, start: time.Now(), left: ctx.Err}
}

// end counts how it went. That an object is there, or is not, is what was asked; and a caller that leaves did not fail.
func (o *operation) end(err error) {
	answered := errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrExists)
	switch {
	case err != nil && errors.Is(o.left(), context.Canceled):
	case err != nil && !answered:
		o.count.Failures.WithLabelValues(o.name).Inc()
	default:
		o.count.Duration.WithLabelValues(o.name).Observe(time.Since(o.start).Seconds())
		if err == nil && (o.name == "get" || o.name == "get_range" || o.name == "upload") {
			o.count.Transferred.WithLabelValues(o.name).Observe(float64(o.moved))
		}
	}
}

// reader counts what is read.
type reader struct {
	io.ReadCloser
	operation *operation
	failed    error // what the last Read said
	once      sync.Once
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.operation.moved += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed = err
	}
	return n, err
}

func (r *reader) Close() error {
	err := r.ReadCloser.Close()
	r.once.Do(func() { r.operation.end(r.failed) })
	return err
}
