package serve

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/serve/access"
)

// scope is the part of a workload that a caller may read. Nobody owns a workload's id: Jobs of several namespaces can
// carry the same one, and those of one must not take the log away from the readers of another. So each is given what he
// may read, and told that there is more. Safe for concurrent use.
type scope struct {
	api *API

	mu      sync.Mutex
	allowed map[string]bool  // guarded by mu; namespaces
	refused map[string]error // guarded by mu; by namespace
}

func (a *API) newScope() *scope {
	return &scope{api: a, allowed: map[string]bool{}, refused: map[string]error{}}
}

// may reports whether the caller may read the logs of a namespace. What is refused is asked for again: the answer may
// last for days. What is allowed is asked for again by watched.
func (s *scope) may(ctx context.Context, namespace string) bool {
	s.mu.Lock()
	known := s.allowed[namespace]
	s.mu.Unlock()
	if known {
		return true
	}
	err := s.api.May(ctx, access.ReadLogs.In(namespace, ""))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.refused[namespace] = err
		return false
	}
	delete(s.refused, namespace)
	s.allowed[namespace] = true
	return true
}

// refusal says why the caller gets nothing. Where the API server could not be asked, that is no refusal of a part. Of a
// workload that nobody knows only those hear who may read the logs of the daemon's own namespace.
func (s *scope) refusal(ctx context.Context) error {
	s.mu.Lock()
	var refused error
	for _, err := range s.refused {
		if refused == nil || !apierrors.IsForbidden(err) {
			refused = err
		}
	}
	some := len(s.allowed) > 0
	s.mu.Unlock()
	switch {
	case refused != nil && (!some || !apierrors.IsForbidden(refused)):
		return refused
	case some:
		return nil
	}
	return s.api.May(ctx, access.ReadLogs.In(s.api.cfg.Namespace, ""))
}

// tell says in the head of an answer that there is more than the caller may read.
func (s *scope) tell(h http.Header) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.refused); n > 0 {
		h.Set(headerWithheld, strconv.Itoa(n))
		h.Add("Warning", `299 epilogue "the workload has logs in namespaces whose logs you may not read; they are left out"`)
	}
}

// namespaces are those that the caller was found to be allowed to read, and the daemon's own if he may.
func (s *scope) namespaces(ctx context.Context) []string {
	s.may(ctx, s.api.cfg.Namespace)
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for namespace := range s.allowed {
		all = append(all, namespace)
	}
	return all
}
