package spool

import (
	"context"
	"fmt"
)

// Room waits until a tenth of the spool is free, and what was last refused has room, on the disk, too. It returns the context's error when
// that ends first.
func (s *Spool) Room(ctx context.Context) error {
	for {
		s.mu.Lock()
		freed := s.freed
		s.mu.Unlock()
		want := min(max(s.Cfg.Limit/10, s.refused.Load()), s.Cfg.Limit)
		if s.used.Load()+want <= s.Cfg.Limit && !s.disk.full.Load() {
			s.refused.Store(0)
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Reserve takes n bytes of the limit, or says that they are not there. On a disk that is full nothing is there.
func (s *Spool) Reserve(n int64) error {
	if s.disk.full.Load() {
		return fmt.Errorf("%d bytes on a disk without room: %w", n, ErrFull)
	}
	for {
		used := s.used.Load()
		if used+n > s.Cfg.Limit {
			s.refused.Store(max(n, s.refused.Load())) // of two at once one may win; Room is then early, and asked again
			return fmt.Errorf("%d bytes for %d of %d: %w", n, used, s.Cfg.Limit, ErrFull)
		}
		if s.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

// exceed takes n bytes also where they are over the limit.
func (s *Spool) exceed(n int64) error {
	s.used.Add(n)
	return nil
}

// press has Run write everything that is held.
func (s *Spool) press() {
	select {
	case s.pressed <- struct{}{}:
	default:
	}
}

// Grow changes the bytes on disk without asking, and wakes those who wait for room where they became less.
func (s *Spool) Grow(n int64) {
	s.used.Add(n)
	if n < 0 {
		s.wake()
	}
}

// wake has whoever waits for room look again.
func (s *Spool) wake() {
	s.mu.Lock()
	close(s.freed)
	s.freed = make(chan struct{})
	s.mu.Unlock()
}
