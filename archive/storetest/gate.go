package storetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
)

// Gate is what a process's requests go through in a test, to stores and to others. While it is shut they hang, as those
// of a process that is stopped, whatever the patience of the caller; while it is cut they fail; once it is dead they
// fail for ever. Safe for concurrent use.
type Gate struct {
	mu     sync.Mutex
	passes chan struct{} // guarded by mu; closed while it is not shut
	cut    bool          // guarded by mu
	dead   chan struct{}
	once   sync.Once
}

// Errors of a gate that lets nothing through.
var (
	ErrDead = errors.New("the process is dead")
	ErrCut  = errors.New("connection refused")
)

// NewGate makes an open gate.
func NewGate() *Gate {
	g := &Gate{passes: make(chan struct{}), dead: make(chan struct{})}
	close(g.passes)
	return g
}

// Shut makes requests hang until Open.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passes = make(chan struct{})
}

// Open ends Shut and Cut.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = false
	select {
	case <-g.passes:
	default:
		close(g.passes)
	}
}

// Cut makes requests fail until Open.
func (g *Gate) Cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = true
}

// Kill makes requests fail for ever, those that hang too.
func (g *Gate) Kill() { g.once.Do(func() { close(g.dead) }) }

// Pass waits in front of a shut gate and says whether a request goes through.
func (g *Gate) Pass() error {
	g.mu.Lock()
	passes := g.passes
	g.mu.Unlock()
	select {
	case <-g.dead:
		return ErrDead
	default:
	}
	select {
	case <-passes:
	case <-g.dead:
		return ErrDead
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cut {
		return ErrCut
	}
	return nil
}

// Try is Pass for callers that must not wait: a shut gate refuses.
func (g *Gate) Try() error {
	g.mu.Lock()
	passes := g.passes
	g.mu.Unlock()
	select {
	case <-passes:
		return g.Pass()
	default:
		return ErrCut
	}
}

// Gated is a store behind gates.
type Gated struct {
	archive.Store
	Gates []*Gate
}

func (s *Gated) pass() error {
	for _, g := range s.Gates {
		if err := g.Pass(); err != nil {
			return err
		}
	}
	return nil
}

// Put implements archive.Store.
func (s *Gated) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	if err := s.pass(); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, body, opts)
}

// Get implements archive.Store.
func (s *Gated) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	if err := s.pass(); err != nil {
		return nil, archive.Object{}, err
	}
	return s.Store.Get(ctx, key, r)
}

// List implements archive.Store.
func (s *Gated) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	if err := s.pass(); err != nil {
		return func(yield func(archive.Object, error) bool) { yield(archive.Object{}, err) }
	}
	return s.Store.List(ctx, prefix, after)
}

// Delete implements archive.Store.
func (s *Gated) Delete(ctx context.Context, keys ...archive.Key) error {
	if err := s.pass(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, keys...)
}
