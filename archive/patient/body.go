package patient

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
)

// errSpoolFile means that the disk, not the store, failed while an object was put: waiting for the store would not
// help.
var errSpoolFile = errors.New("read spool file")

// SpoolFile is the body of a journal object, and what that of a log object is read from. It remembers when the disk
// failed. Stores read parts of it at once, in place.
type SpoolFile struct {
	File *os.File
	err  atomic.Pointer[error]
}

// Failed returns the last error of the disk, nil without one.
func (f *SpoolFile) Failed() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Read is the file's. A failure of the disk is noted.
func (f *SpoolFile) Read(p []byte) (int, error) { return f.note(f.File.Read(p)) }

// ReadAt is the file's. A failure of the disk is noted.
func (f *SpoolFile) ReadAt(p []byte, at int64) (int, error) { return f.note(f.File.ReadAt(p, at)) }

// Seek is the file's: a store that tries again begins anew.
func (f *SpoolFile) Seek(offset int64, whence int) (int64, error) { return f.File.Seek(offset, whence) }

// note keeps a failure of the disk for Failed, and returns what it was given. The end of the file is none.
func (f *SpoolFile) note(n int, err error) (int, error) {
	if err != nil && !errors.Is(err, io.EOF) {
		f.err.Store(&err)
	}
	return n, err
}
