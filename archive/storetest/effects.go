package storetest

import (
	"context"
	"io"
	"time"
)

// NotStored fails the call before it reaches the store. A nil err is ErrFault.
func NotStored(err error) Effect {
	return func(context.Context, *Call, func(context.Context) error) error { return orFault(err) }
}

// Stored lets the call through and then fails it: the answer was lost. A nil err is ErrFault.
func Stored(err error) Effect {
	return func(ctx context.Context, _ *Call, through func(context.Context) error) error {
		if failed := through(ctx); failed != nil {
			return failed
		}
		return orFault(err)
	}
}

func orFault(err error) error {
	if err == nil {
		return ErrFault
	}
	return err
}

// BlackHole holds the call until its context ends. The call never reaches the store.
func BlackHole() Effect {
	return func(ctx context.Context, _ *Call, _ func(context.Context) error) error {
		<-ctx.Done()
		return ctx.Err()
	}
}

// HoldUntil holds the call until release is closed, then lets it through. It fails with its context before that.
func HoldUntil(release <-chan struct{}) Effect {
	return func(ctx context.Context, _ *Call, through func(context.Context) error) error {
		select {
		case <-release:
			return through(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Slow moves bytesPerSecond bytes in a second: a Put takes its time before it is stored, a Get gives its bytes slowly.
// The time is that of the bubble inside testing/synctest.
func Slow(bytesPerSecond int64) Effect {
	return func(ctx context.Context, c *Call, through func(context.Context) error) error {
		if err := wait(ctx, c.Bytes, bytesPerSecond); err != nil {
			return err
		}
		if err := through(ctx); err != nil {
			return err
		}
		if c.Body != nil {
			c.Body = &slowBody{ctx: ctx, ReadCloser: c.Body, perSecond: bytesPerSecond}
		}
		return nil
	}
}

func wait(ctx context.Context, bytes, perSecond int64) error {
	timer := time.NewTimer(time.Duration(float64(bytes) / float64(perSecond) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slowBody holds the context of the Get that opened it, which bounds its reads.
type slowBody struct {
	ctx context.Context
	io.ReadCloser
	perSecond int64
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if late := wait(b.ctx, int64(n), b.perSecond); late != nil {
		return 0, late
	}
	return n, err
}

// BreakBody lets a Get through, but its body fails after n bytes. A nil err is ErrFault.
func BreakBody(n int64, err error) Effect {
	return func(ctx context.Context, c *Call, through func(context.Context) error) error {
		if failed := through(ctx); failed != nil {
			return failed
		}
		if c.Body != nil {
			c.Body = &failingBody{ReadCloser: c.Body, left: n, err: orFault(err)}
		}
		return nil
	}
}

type failingBody struct {
	io.ReadCloser
	left int64
	err  error
}

func (b *failingBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Before calls f, then lets the call through, unless f ended its context: a crash just before the call.
func Before(f func()) Effect {
	return func(ctx context.Context, _ *Call, through func(context.Context) error) error {
		f()
		if err := ctx.Err(); err != nil {
			return err
		}
		return through(ctx)
	}
}

// After lets the call through, then calls f. Where f ends the call's context the call fails: a crash just after the
// call.
func After(f func()) Effect {
	return func(ctx context.Context, _ *Call, through func(context.Context) error) error {
		err := through(ctx)
		f()
		if ended := ctx.Err(); err == nil {
			err = ended
		}
		return err
	}
}
