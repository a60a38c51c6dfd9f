package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/epilogue-dev/epilogue/archive/disk"
)

// Of one log several replicas may hold lines: one that was paused, the one that took over from it, and the next. The
// highest epoch settles whose lines count. A replica's epoch is when it had last looked at all journals and taken what
// was in them; it is always later than that of each replica whose journal it has seen. It goes into each journal
// object, and the later one counts, however many lines the earlier one has: others went on without them.
//
// A replica that cannot look, because the store is out of its reach, follows its logs in doubt: the journals may hold
// lines that the kubelet does not serve any more. What is in doubt is neither journaled nor sealed. When the store is
// back the journal's frames go first, and the lines in doubt, which lay aside meanwhile, after them, by the overlap
// check.

// epochFile is in the spool's folder. Without it the lines of every other replica count before this spool's.
const epochFile = ".since.json"

type epochDocument struct {
	Epoch int64 `json:"since"` // ns since 1970
}

// Doubt marks the logs that are followed although the journals could not be looked at: those which are begun from now
// on, and if all is set those that are here, too. A log that was begun in doubt stays so over a restart.
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

// Trust begins a new epoch: all journals were looked at, and what counts of them is here.
func (s *Spool) Trust() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	epoch := max(time.Now().UnixNano(), s.newest+1)
	// The number is on disk before any journal object has it.
	err := s.Write(0, s.Exceed, func() error { return disk.WriteJSON(filepath.Join(s.cfg.Dir, epochFile), epochDocument{epoch}) })
	if err != nil {
		return fmt.Errorf("write epoch of the spool: %w", err)
	}
	s.newest = epoch
	s.epoch.Store(epoch)
	s.endDoubt()
	return nil
}

// EndDoubt lets the logs that are in doubt be journaled and sealed as they are. The lines of other replicas count
// before them still.
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

// InDoubt reports whether Doubt was called last.
func (s *Spool) InDoubt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubt
}

// Epoch returns when all journals had last been looked at, ns since 1970; 0: never.
func (s *Spool) Epoch() int64 { return s.epoch.Load() }

func (s *Spool) readEpoch() {
	var d epochDocument
	err := disk.ReadJSON(filepath.Join(s.cfg.Dir, epochFile), &d)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// As without it: what the journals hold comes first, and nothing that lies here is lost by that.
		s.log.Error("read epoch of the spool", "err", err)
		return
	}
	s.epoch.Store(d.Epoch)
	s.newest = d.Epoch
}

// Saw takes note of another replica's epoch.
func (s *Spool) Saw(epoch int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = max(s.newest, epoch)
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

// epochOf returns the epoch of what the spool has of a log; -1: the lines of every other replica count before it.
func (s *Spool) epochOf(l *Log) int64 {
	epoch := s.epoch.Load()
	if l.begun > epoch {
		return -1
	}
	return epoch
}

// Stays reports whether the spool keeps its own lines of a log where a journal has so many of an epoch: the spool's
// epoch is higher, or the same and the spool has the log's end or no fewer lines.
func (s *Spool) Stays(l *Log, lines, epoch int64) bool {
	have := s.epochOf(l)
	if have != epoch {
		return have > epoch
	}
	return l.Ended() || l.Summary().Lines >= lines
}
