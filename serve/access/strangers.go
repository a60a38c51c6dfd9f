package access

import (
	"context"
	"fmt"
	"net"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// strangers counts the requests whose token nobody knows yet, while the API server is asked for it. They wait in a room
// of their own: whoever is known never waits behind them, and what does not fit is sent away at once and costs nothing
// more. One address has a part of the room only. Safe for concurrent use.
type strangers struct {
	most, mostOfOne int

	mu      sync.Mutex
	waiting int            // guarded by mu
	of      map[string]int // guarded by mu; by address; no address is in it with 0
}

func newStrangers(most, mostOfOne int) *strangers {
	return &strangers{most: most, mostOfOne: mostOfOne, of: map[string]int{}}
}

// enter takes a place, to be given back; where there is none its error is a Status of 429.
func (s *strangers) enter(from string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting >= s.most || s.of[from] >= s.mostOfOne {
		return nil, apierrors.NewTooManyRequests(fmt.Sprintf(
			"%d requests wait to be told whose tokens theirs are, %d of them from your address; ask again", s.waiting, s.of[from]), 2)
	}
	s.waiting++
	s.of[from]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
		if s.of[from]--; s.of[from] == 0 {
			delete(s.of, from)
		}
	}, nil
}

type sourceKey struct{}

// From returns a context that says which address (host:port) the request came from.
func From(ctx context.Context, address string) context.Context {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return context.WithValue(ctx, sourceKey{}, host)
}

// source is the host that From was given, "" where nobody did.
func source(ctx context.Context) string {
	host, _ := ctx.Value(sourceKey{}).(string)
	return host
}
