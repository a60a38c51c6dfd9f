package api

import (
	"context"

	"golang.org/x/time/rate"
	"k8s.io/client-go/util/flowcontrol"
)

// Limit is the ceiling of requests to the API server, log streams apart. It is client-go's own kind of limit, and says
// how much of it is in use.
type Limit struct {
	limiter *rate.Limiter
}

var _ flowcontrol.RateLimiter = (*Limit)(nil)

// NewLimit allows qps requests a second and burst at once.
func NewLimit(qps float32, burst int) *Limit {
	return &Limit{limiter: rate.NewLimiter(rate.Limit(qps), burst)}
}

// TryAccept takes a request's place if there is one.
func (l *Limit) TryAccept() bool { return l.limiter.Allow() }

// Accept waits for a request's place.
func (l *Limit) Accept() { _ = l.Wait(context.Background()) } // nothing ends this context

// Wait waits for a request's place, or for the end of the context.
func (l *Limit) Wait(ctx context.Context) error { return l.limiter.Wait(ctx) }

// Stop does nothing: the limit holds nothing.
func (l *Limit) Stop() {}

// QPS returns the requests that are allowed in a second.
func (l *Limit) QPS() float32 { return float32(l.limiter.Limit()) }

// Used returns how many of the requests that may go out at once are taken, and how many there are. When all are,
// requests wait.
func (l *Limit) Used() (used, limit float64) {
	limit = float64(l.limiter.Burst())
	return limit - max(0, l.limiter.Tokens()), limit
}
