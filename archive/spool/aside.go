package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
)

// identity is what stands beside the files of a log.
type identity struct {
	archive.Instance
	Doubted int64 `json:"doubted,omitempty"` // when it was begun in doubt, ns since 1970; see Spool.Doubt
}

func (l *Log) writeIdentity() error {
	return l.spool.Write(0, l.spool.Exceed, func() error { return disk.WriteJSON(l.path(".json"), identity{l.instance, l.begun}) })
}

// aside stands in the name of the file with what was served of a log while nobody could look at the journals.
const aside = ".aside"

// setAside takes the log's lines out of the way of those that a journal has; the log takes and gives nothing
// more. They are brought into one file first, which is then renamed: a crash leaves them here or there, and whole.
func (l *Log) setAside() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && !l.gone {
		if err := l.closeFrame(l.spool.Exceed); err != nil {
			return err
		}
	}
	l.gone = true
	l.fresh.Store(0)
	l.changed()
	to := l.path(aside + ".log")
	if _, err := os.Stat(to); l.size == 0 || err == nil {
		// What lies there already, because a crash came before it was taken up, is what this one was being made of
		// again.
		return nil
	}
	if err := os.Rename(l.path(".log"), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set log of %s aside: %w", l.instance, err)
	}
	return nil
}

// findAside counts what lies aside.
func (l *Log) findAside() {
	if info, err := os.Stat(l.path(aside + ".log")); err == nil {
		l.besides = info.Size()
		l.spool.Grow(l.besides)
	}
}

// Aside returns what was served of the log while it was in doubt, as a log of its own that is only read: nil where that
// is nothing. It belongs after what the log holds, by the overlap check. DropAside ends it; before that it comes again
// after a crash.
func (l *Log) Aside() (*Log, error) {
	l.mu.Lock()
	has := l.besides > 0 && !l.gone && !l.ended
	l.mu.Unlock()
	if !has {
		return nil, nil
	}
	a := newLog(l.spool, l.instance)
	a.infix = aside
	if err := a.recoverFrames(); err != nil {
		return nil, fmt.Errorf("read what lies aside of %s: %w", l.instance, err)
	}
	return a, nil
}

// DropAside removes what lies aside. Only when the log holds it, on disk.
func (l *Log) DropAside() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.besides == 0 {
		return nil
	}
	if err := os.Remove(l.path(aside + ".log")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what lies aside of %s: %w", l.instance, err)
	}
	l.spool.Grow(-l.besides)
	l.besides = 0
	return nil
}
