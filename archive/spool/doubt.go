package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/epilogue-dev/epilogue/archive/disk"
)

// Of one log several may hold lines: a replica that was paused, the one that took over from it, and the next. Whose
// word counts is settled by a number, since: when a replica had last looked at all journals and taken what was in them.
// It is always later than that of everybody whose journal it has seen. It goes into each journal object, and the later
// word counts, however many lines the earlier one has: others went on without them.
//
// A replica that cannot look, because the store is out of its reach, follows its logs in doubt: the journals may hold
// lines that the kubelet does not serve any more. What is in doubt is neither journaled nor sealed. When the store is
// back the journal's frames go first, and the lines in doubt, which lay aside meanwhile, after them, by the overlap
// check.

// sinceFile is in the spool's folder. Without it every word of others counts before this spool's.
const sinceFile = ".since.json"

type sinceDocument struct {
	Since int64 `json:"since"` // ns since 1970
}

// Doubt says that logs are followed although the journals could not be looked at: those which are begun from now on,
// and if all is set those that are here, too. A log that was begun in doubt stays so over a restart.
func (s *Spool) Doubt(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubt = true
	if all {
		for _, l := range s.logs {
			l.doubted.Store(true)
		}
	}
}

// Trust says that all journals were looked at and that what counts of them is here: from now on the word of this spool
// counts.
func (s *Spool) Trust() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := max(time.Now().UnixNano(), s.newest+1)
	// The number is on disk before any journal object has it.
	err := s.Write(0, s.Exceed, func() error { return disk.WriteJSON(filepath.Join(s.cfg.Dir, sinceFile), sinceDocument{since}) })
	if err != nil {
		return fmt.Errorf("write since when the spool counts: %w", err)
	}
	s.newest = since
	s.epoch.Store(since)
	s.endDoubt()
	return nil
}

// EndDoubt has logs that are in doubt journaled and sealed as they are. The word of others counts before them still.
func (s *Spool) EndDoubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endDoubt()
}

// endDoubt is EndDoubt with mu held.
func (s *Spool) endDoubt() {
	s.doubt = false
	for _, l := range s.logs {
		l.doubted.Store(false)
	}
}

// InDoubt says whether Doubt was called last.
func (s *Spool) InDoubt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubt
}

// Epoch returns when all journals had last been looked at, ns since 1970; 0: never.
func (s *Spool) Epoch() int64 { return s.epoch.Load() }

func (s *Spool) readSince() {
	var d sinceDocument
	err := disk.ReadJSON(filepath.Join(s.cfg.Dir, sinceFile), &d)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// As without it: what the journals hold comes first, and nothing that lies here is lost by that.
		s.log.Error("read since when the spool counts", "err", err)
		return
	}
	s.epoch.Store(d.Since)
	s.newest = d.Since
}

// Saw takes note of the word of others.
func (s *Spool) Saw(since int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = max(s.newest, since)
}

// beginDoubted marks a new log where it is begun in doubt. Called with mu held.
func (s *Spool) beginDoubted(l *Log) {
	if !s.doubt {
		return
	}
	s.newest = max(time.Now().UnixNano(), s.newest+1)
	l.begun = s.newest
	l.doubted.Store(true)
}

// sinceOf says since when what the spool has of a log counts; -1: the word of everybody counts before it.
func (s *Spool) sinceOf(l *Log) int64 {
	since := s.epoch.Load()
	if l.begun > since {
		return -1
	}
	return since
}

// Stays reports whether the spool keeps its own of a log, where a journal has so many lines of it and its word counts
// since then (ns since 1970): the spool's word counts later, or as much and it has the log's end or no fewer lines.
func (s *Spool) Stays(l *Log, lines, since int64) bool {
	have := s.sinceOf(l)
	if have != since {
		return have > since
	}
	return l.Ended() || l.Summary().Lines >= lines
}
