package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// All returns every log, those of a pod side by side.
func (s *Spool) All() []*Log {
	s.mu.Lock()
	logs := make([]*Log, 0, len(s.logs))
	for _, l := range s.logs {
		logs = append(logs, l)
	}
	s.mu.Unlock()
	slices.SortFunc(logs, func(a, b *Log) int {
		x, y := a.instance, b.instance
		return cmp.Or(cmp.Compare(x.PodUID, y.PodUID), cmp.Compare(x.Container, y.Container), cmp.Compare(x.Restart, y.Restart))
	})
	return logs
}

// MarkDrafted makes the journal look at a pod's draft again, where there is one: what it had of it did not get into the
// store.
func (s *Spool) MarkDrafted(pod archive.PodUID) {
	if _, err := os.Stat(s.draftPath(pod)); err != nil {
		return
	}
	s.mu.Lock()
	s.drafted[pod] = struct{}{}
	s.mu.Unlock()
}

// TakeDrafted returns the pods whose draft was saved since it was last called.
func (s *Spool) TakeDrafted() map[archive.PodUID]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	pods := s.drafted
	s.drafted = map[archive.PodUID]struct{}{}
	return pods
}

// Find returns an open log, nil where there is none.
func (s *Spool) Find(name archive.LogID) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[name]
}

// TakenDir holds the files of logs on their way in from another replica's journal. No pod's UID starts with a dot.
func (s *Spool) TakenDir() string { return filepath.Join(s.cfg.Dir, ".takeover") }

// Adopt puts the files of a log, by their extensions, where the spool keeps such files, and takes it up as recovery
// does. A log that is there already stays where it counts, or holds as many lines or has ended; else it is dropped for
// the other one, or set aside where the other one's word counts before it. Whoever still follows it meets an error at
// the next Append, as of a failing disk, and goes on from the new one. It returns nil where nothing changed.
//
// A crash in here leaves files without an identity or without their log; the journal holds all of it still.
func (s *Spool) Adopt(i archive.Instance, files map[string]string, lines, epoch int64) (*Log, error) {
	l := newLog(s, i)
	l.mu.Lock() // whoever finds the log from now on waits until it is whole
	defer l.mu.Unlock()
	old := s.Find(i.ID())
	if old != nil && s.Stays(old, lines, epoch) {
		return nil, nil
	}
	s.mu.Lock()
	if s.logs[i.ID()] != old {
		s.mu.Unlock()
		return nil, fmt.Errorf("take log of %s into the spool: it was begun meanwhile", i) // the takeover is repeated
	}
	s.logs[i.ID()] = l
	s.mu.Unlock()
	err := s.place(l, old, files, epoch)
	if err != nil {
		l.gone = true
		s.mu.Lock()
		if delete(s.logs, i.ID()); old != nil && !old.left() {
			s.logs[i.ID()] = old
		}
		s.mu.Unlock()
		return nil, fmt.Errorf("take log of %s into the spool: %w", i, err)
	}
	s.announcePod(i.PodRef)
	return l, nil
}

func (s *Spool) place(l, old *Log, files map[string]string, epoch int64) error {
	if err := s.clear(old, epoch); err != nil {
		return err
	}
	if err := s.makePodDir(l.instance.PodUID); err != nil {
		return err
	}
	// What stood there without an identity would be taken for the end of what comes now.
	for _, ext := range []string{".log", ".tail"} {
		if err := os.Remove(l.path(ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for ext, path := range files {
		if err := os.Rename(path, l.path(ext)); err != nil {
			return err
		}
	}
	// The identity comes last: without it recovery leaves the files alone.
	if err := l.writeIdentity(); err != nil {
		return err
	}
	return l.recover()
}

// clear makes place for a log from a journal of that epoch.
func (s *Spool) clear(old *Log, epoch int64) error {
	if old == nil {
		return nil
	}
	if epoch > s.epochOf(old) {
		if err := old.setAside(); err != nil {
			return err
		}
	}
	if err := old.Drop(); err != nil {
		return err
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	s.Grow(-old.besides) // the new log counts it
	old.besides = 0
	return nil
}
