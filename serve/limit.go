package serve

import (
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// streams counts the answers that are being given. Safe for concurrent use.
type streams struct {
	most, mostOfOne int

	mu   sync.Mutex
	open int            // guarded by mu
	of   map[string]int // guarded by mu; by user; nobody is in it with 0
}

func newStreams(most, mostOfOne int) *streams {
	return &streams{most: most, mostOfOne: mostOfOne, of: map[string]int{}}
}

// Reasons of a refusal, as the metric has them.
const (
	refusedUser      = "user"
	refusedAll       = "all"
	refusedStrangers = "strangers" // too many wait whose tokens nobody knows
)

// take takes one of the user's answers, to be given back. Beyond the limits it gives a Status of 429 and whose limit it was.
func (s *streams) take(user string) (back func(), reason string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.of[user] >= s.mostOfOne:
		return nil, refusedUser, tooMany(fmt.Sprintf("user %q has %d answers open, which is all that one user may have", user, s.of[user]))
	case s.open >= s.most:
		return nil, refusedAll, tooMany(fmt.Sprintf("%d answers are open, which is all that this replica gives at once", s.open))
	}
	s.open++
	s.of[user]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		if s.of[user]--; s.of[user] == 0 {
			delete(s.of, user)
		}
	}, "", nil
}

// Open gives the answers that are being given, and their limit.
func (s *streams) Open() (open, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, s.most
}

func tooMany(text string) error {
	status := apierrors.NewTooManyRequests(text, 5)
	status.ErrStatus.Reason = metav1.StatusReasonTooManyRequests
	return status
}
