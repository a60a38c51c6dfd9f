package serve

import (
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive/room"
)

// streams counts the answers that are being given. Safe for concurrent use.
type streams struct {
	most, mostOfOne int
	memoryOfOne     int64

	mu   sync.Mutex
	open int              // guarded by mu
	of   map[string]*user // guarded by mu; by name; nobody is in it with no answer
}

// user is somebody who is being answered.
type user struct {
	open      int // guarded by the streams' mu
	allowance *room.Allowance
}

func newStreams(most, mostOfOne int, memoryOfOne int64) *streams {
	return &streams{most: most, mostOfOne: mostOfOne, memoryOfOne: memoryOfOne, of: map[string]*user{}}
}

// Reasons of a refusal, as the metric has them.
const (
	refusedUser      = "user"
	refusedAll       = "all"
	refusedMemory    = "memory"    // the user's
	refusedStrangers = "strangers" // too many wait whose tokens nobody knows
)

// take takes one of the user's answers, with its part of the memory that the user may take, to be given back. Beyond
// the limits it gives a Status of 429 and whose limit it was.
func (s *streams) take(name string) (space *room.Room, back func(), reason string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.of[name]
	switch {
	case u != nil && u.open >= s.mostOfOne:
		return nil, nil, refusedUser, tooMany(fmt.Sprintf("user %q has %d answers open, which is all that one user may have", name, u.open))
	case s.open >= s.most:
		return nil, nil, refusedAll, tooMany(fmt.Sprintf("%d answers are open, which is all that this replica gives at once", s.open))
	}
	if u == nil {
		u = &user{allowance: room.NewAllowance(s.memoryOfOne)}
		s.of[name] = u
	}
	s.open++
	u.open++
	space = u.allowance.Room()
	return space, func() {
		space.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		if u.open--; u.open == 0 {
			delete(s.of, name)
		}
	}, "", nil
}

// Open returns the answers that are being given, and their limit.
func (s *streams) Open() (open, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, s.most
}

// Memory returns the bytes that are reserved for the user for whom most are, and how many may be for one.
func (s *streams) Memory() (bytes, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, limit = room.NewAllowance(s.memoryOfOne).Reserved()
	for _, u := range s.of {
		reserved, _ := u.allowance.Reserved()
		bytes = max(bytes, reserved)
	}
	return bytes, limit
}

func tooMany(text string) *apierrors.StatusError {
	status := apierrors.NewTooManyRequests(text, 5)
	status.ErrStatus.Reason = metav1.StatusReasonTooManyRequests
	return status
}
