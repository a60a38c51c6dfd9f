// Package pause waits: for a time or the end of a context, whichever is first.
package pause

import (
	"context"
	"time"
)

// For waits so long. Its error is the context's, where that ends before.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Until waits until wake has something, or is closed, but no longer than so long. Its error is the context's, where
// that has ended.
func Until(ctx context.Context, wake <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
