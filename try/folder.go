package try

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// own is the folder of the trial's own files in that of the archive. No key maps into it, because of its leading dot.
const own = ".try"

// Folder is where a trial keeps what it needs, beside the archive.
type Folder struct {
	Archive string // absolute path, the store's
	lock    *os.File
}

// OpenFolder makes the folder and takes it for this process. Who comes second is refused: the spool has one owner.
func OpenFolder(archive string) (*Folder, error) {
	f := &Folder{Archive: archive}
	if err := os.MkdirAll(filepath.Join(archive, own), 0o750); err != nil {
		return nil, fmt.Errorf("make archive folder %s: %w; --archive names another one", archive, err)
	}
	lock, err := os.OpenFile(filepath.Join(archive, own, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock archive folder %s: %w; --archive names another one", archive, err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another epilogue try is at work in it")
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("lock archive folder %s: %w; --archive names another one", archive, err)
	}
	f.lock = lock
	return f, nil
}

// Close sets the folder free.
func (f *Folder) Close() { f.lock.Close() }

// Spool is where the spool is.
func (f *Folder) Spool() string { return filepath.Join(f.Archive, own, "spool") }

// logFile is where the log is.
func (f *Folder) logFile() string { return filepath.Join(f.Archive, own, "epilogue.log") }

// OpenLog begins a log: that of the last trial has been read, or never will be.
func (f *Folder) OpenLog() (*os.File, error) {
	file, err := os.OpenFile(f.logFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return file, nil
}
