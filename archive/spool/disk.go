package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/epilogue-dev/epilogue/archive/format"
)

// disk says whether the disk below a spool has room, which it may have lost below the spool's own limit: somebody else fills it, or it is
// smaller than that. A spool is then full as at its limit: what is read is refused until there is room again.
//
// A log can be sealed only by appending to it, and only that makes room. So a file of the spool's own holds the room for that, and is
// given up for it. A crash leaves the file, or a part of it; the next start makes it whole.
type disk struct {
	full atomic.Bool

	mu     sync.Mutex
	probed time.Time // guarded by mu; when room was last looked for

	fault func(bytes int64) error // of tests: refuses a write
}

const (
	// probeEvery: whoever fills the disk may be another one, whose leaving nothing here hears of.
	probeEvery = 5 * time.Second
	// leastRoom is what must be free besides the reserve for the disk to have room.
	leastRoom = 1 << 20
)

func LacksRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Written does a write of so many bytes. ErrSpoolFull where the disk has no room for them. Who may go over the spool's limit, as take says,
// gets the reserve's room.
func (s *Spool) Written(bytes int64, take func(int64) error, write func() error) error {
	err := s.try(bytes, write)
	if !LacksRoom(err) {
		return err
	}
	s.Lost(err)
	if take(0) == nil {
		if err := s.yield(); err != nil {
			return err
		}
		if err = s.try(bytes, write); !LacksRoom(err) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

func (s *Spool) try(bytes int64, write func() error) error {
	if s.disk.fault != nil {
		if err := s.disk.fault(bytes); err != nil {
			return err
		}
	}
	return write()
}

// Lost notes that the disk is full.
func (s *Spool) Lost(err error) {
	if s.disk.full.CompareAndSwap(false, true) {
		s.log.Warn("the disk of the spool is full below its limit; log streams wait for room", "used", s.used.Load(), "limit", s.Cfg.Limit, "err", err)
	}
}

// yield gives the reserve up. It may be gone already, and its room with it.
func (s *Spool) yield() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	err := os.Truncate(s.reserveFile(), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// regain looks for room on a disk that was full, now and then.
func (s *Spool) regain() {
	if !s.disk.full.Load() || !s.dueForRoom() {
		return
	}
	if err := s.fill(leastRoom); err != nil {
		if !LacksRoom(err) {
			s.log.Warn("look for room on the spool's disk", "err", err)
		}
		return
	}
	s.disk.full.Store(false)
	s.log.Info("the disk of the spool has room again")
	s.wake()
}

func (s *Spool) dueForRoom() bool {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if time.Since(s.disk.probed) < probeEvery {
		return false
	}
	s.disk.probed = time.Now()
	return true
}

// fill makes the reserve whole, if so much is free besides it; else the reserve is what there is room for.
func (s *Spool) fill(besides int64) error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	want := s.Cfg.Reserve + besides
	err := s.try(want, func() error { return format.WriteAt(s.reserveFile(), 0, make([]byte, want)) })
	return errors.Join(err, s.trimReserve())
}

// trimReserve gives back what the reserve's file has besides it.
func (s *Spool) trimReserve() error {
	info, err := os.Stat(s.reserveFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case s.Cfg.Reserve == 0:
		return os.Remove(s.reserveFile())
	case info.Size() > s.Cfg.Reserve:
		return os.Truncate(s.reserveFile(), s.Cfg.Reserve)
	}
	return nil
}

func (s *Spool) reserveFile() string { return filepath.Join(s.Cfg.Dir, ".reserve") }

// beginReserve makes the reserve. A disk that is full at the start keeps no spool from opening: what it holds is sealed.
func (s *Spool) beginReserve() error {
	if s.Cfg.Reserve == 0 {
		return nil
	}
	err := s.fill(0)
	if LacksRoom(err) {
		s.Lost(err)
		return nil
	}
	return err
}
