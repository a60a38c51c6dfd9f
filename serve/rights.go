package serve

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/serve/access"
)

// caller is who sent a request, and what he was found to be allowed to do for its sake.
type caller struct {
	user access.User

	mu   sync.Mutex
	acts map[access.Act]struct{} // guarded by mu
}

type callerKey struct{}

// Caller is who sent the request of this context.
func Caller(ctx context.Context) access.User {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		return access.User{}
	}
	return c.user
}

// May reports whether the caller of the request may do it; its error is a Status of 403 or 503. It is asked again from
// time to time for as long as the answer lasts.
func (a *API) May(ctx context.Context, act access.Act) error {
	err := a.parts.Access.May(ctx, Caller(ctx), act)
	if c, ok := ctx.Value(callerKey{}).(*caller); ok && err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.acts[act] = struct{}{}
	}
	return err
}

func (c *caller) passed() []access.Act {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.acts))
}

// watched returns the context of an answer: it ends, with a Status as its cause, where the caller may not have the
// answer any more. A log can be followed for days, and who may read it is not settled once and for all when that
// begins. end is called after the answer.
func (a *API) watched(r *http.Request, user access.User) (ctx context.Context, end func()) {
	c := &caller{user: user, acts: map[access.Act]struct{}{}}
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), callerKey{}, c))
	var reviewing sync.WaitGroup
	reviewing.Go(func() {
		tick := time.NewTicker(a.cfg.Review)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if err := a.review(ctx, r.Header, c); err != nil {
				cancel(err)
				return
			}
		}
	})
	return ctx, func() {
		cancel(nil)
		reviewing.Wait()
	}
}

// review returns the Status by which the caller would be turned away now. An API server that does not answer turns
// nobody away who was let in: it will say so when it is back.
func (a *API) review(ctx context.Context, header http.Header, c *caller) error {
	user, err := a.parts.Access.User(ctx, header)
	for _, act := range c.passed() {
		if err == nil {
			err = a.parts.Access.May(ctx, user, act)
		}
	}
	if apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) {
		return err
	}
	return nil
}

// whyEnded returns the cause of a context's end for an error that says no more than that it has ended.
func whyEnded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != nil {
		return cause
	}
	return err
}
