package archivetest

import (
	"context"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// Far is a store that takes its time to answer, and counts.
type Far struct {
	archive.Store
	Delay       time.Duration
	Gets, Lists atomic.Int64
}

func (f *Far) wait(ctx context.Context) error {
	time.Sleep(f.Delay) // and no timer's channel, on which Go 1.26.8 under the race detector has crashed in a bubble
	return ctx.Err()
}

func (f *Far) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	f.Gets.Add(1)
	if err := f.wait(ctx); err != nil {
		return nil, archive.Object{}, err
	}
	return f.Store.Get(ctx, key, r)
}

func (f *Far) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	f.Lists.Add(1)
	return func(yield func(archive.Object, error) bool) {
		if err := f.wait(ctx); err != nil {
			yield(archive.Object{}, err)
			return
		}
		f.Store.List(ctx, prefix, after)(yield)
	}
}
