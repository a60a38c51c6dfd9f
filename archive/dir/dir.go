// Package dir is the archive's store in a folder of a file system: file:///dir in the settings, the embedded default.
//
// It owns everything below its root: one file per object, named by the object's key, and one folder of unfinished
// files. It promises what archive.Store does, also between processes on one machine: an object appears whole by link(2)
// or rename(2), and file and folders are synced before Put returns. What survives a crash: every object whose Put
// returned. What a crash leaves is an unfinished file; List does not show it, and Open removes it once it is older than
// an hour.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

const (
	// unfinished is the folder of files that are still written. No key maps into it, because of its leading dot. It
	// also marks the root: where it is missing, the volume is not mounted, and an absent object proves nothing.
	unfinished = ".unfinished"
	// unfinishedAge is when an unfinished file has no writer any more. A writer that is alive touches its file often.
	unfinishedAge = time.Hour
	// mkdirTries bounds how often Put makes the folders anew that a Delete takes away at the same time as empty.
	mkdirTries = 20
)

// Store is an archive.Store in a folder.
type Store struct {
	root string
}

// Open makes the folder if it is not there, and removes what crashed writers left in it.
func Open(ctx context.Context, root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open store folder %s: %w", root, err)
	}
	s := &Store{root: root}
	if err := os.MkdirAll(filepath.Join(root, unfinished), 0o750); err != nil {
		return nil, fmt.Errorf("open store folder %s: %w", root, err)
	}
	if err := s.sweep(ctx, time.Now().Add(-unfinishedAge)); err != nil {
		return nil, fmt.Errorf("open store folder %s: %w", root, err)
	}
	return s, nil
}

// File returns the path of the file that an object is in, or would be: for people, who may have other tools to read it.
func (s *Store) File(key archive.Key) string {
	name, err := path(key)
	if err != nil {
		return s.root // no object has such a key
	}
	return filepath.Join(s.root, name)
}

// sweep removes unfinished files last written before the given time.
func (s *Store) sweep(ctx context.Context, before time.Time) error {
	entries, err := os.ReadDir(filepath.Join(s.root, unfinished))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().After(before) {
			continue
		}
		if err == nil {
			err = os.Remove(filepath.Join(s.root, unfinished, e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Put is archive.Store's. The content type is not kept.
func (s *Store) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	name, err := path(key)
	if err == nil {
		err = s.put(ctx, filepath.Join(s.root, name), body, opts.IfAbsent)
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// put writes and syncs the whole file before it gets its name, and syncs the name before it returns. A crash before the
// name leaves an unfinished file, a crash after it an object that is whole.
func (s *Store) put(ctx context.Context, name string, body io.ReadSeeker, absent bool) error {
	tmp, err := s.write(ctx, body)
	if err != nil {
		return err
	}
	err = s.place(tmp, name, absent)
	// After a rename there is nothing left to remove; after a link the second name has to go.
	if gone := os.Remove(tmp); gone != nil && !errors.Is(gone, fs.ErrNotExist) && err == nil {
		err = gone
	}
	if err != nil {
		return err
	}
	return s.syncFolders(filepath.Dir(name))
}

// write returns the path of an unfinished file that holds the body durably.
func (s *Store) write(ctx context.Context, body io.ReadSeeker) (_ string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Join(s.root, unfinished), "put-*")
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(f.Name()) // Open's sweep takes what stays
		}
	}()
	if _, err := io.Copy(f, &contextReader{ctx: ctx, Reader: body}); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// place returns the file its name. A Delete may take the folder away as empty between the making of the folder and the
// naming of the file; then the folder is made again.
func (s *Store) place(tmp, name string, absent bool) error {
	for try := 1; ; try++ {
		err := os.MkdirAll(filepath.Dir(name), 0o750)
		if err == nil {
			err = rename(tmp, name, absent)
		}
		if !errors.Is(err, fs.ErrNotExist) || try == mkdirTries {
			return err
		}
	}
}

func rename(tmp, name string, absent bool) error {
	if !absent {
		return os.Rename(tmp, name)
	}
	err := os.Link(tmp, name)
	switch {
	case errors.Is(err, fs.ErrExist):
		return archive.ErrExists
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("the file system has no hard links: %w", errors.ErrUnsupported)
	}
	return err
}

// syncFolders makes the names in the folder durable, and its own name and those above it up to the root: another
// process may have made them and not be done yet. A folder without changes costs no write.
func (s *Store) syncFolders(folder string) error {
	for {
		// An absent folder was removed as empty: somebody deleted the object already.
		if err := syncFolder(folder); err != nil && !isAbsent(err) {
			return err
		}
		if folder == s.root {
			return nil
		}
		folder = filepath.Dir(folder)
	}
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Delete is archive.Store's. It also removes folders that became empty. A crash may bring back what was deleted last.
func (s *Store) Delete(ctx context.Context, keys ...archive.Key) error {
	for _, key := range keys {
		if err := s.remove(ctx, key); err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %d objects: %w", len(keys), err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, key archive.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, err := path(key)
	if err != nil {
		return err
	}
	name = filepath.Join(s.root, name)
	// unlink and not os.Remove: that would also remove an empty folder of this name, which is no object.
	err = syscall.Unlink(name)
	if errors.Is(err, syscall.EISDIR) || isAbsent(err) {
		return s.checkRoot()
	}
	if err != nil {
		return err
	}
	folder := filepath.Dir(name)
	for folder != s.root && os.Remove(folder) == nil { // that fails where something is left in it
		folder = filepath.Dir(folder)
	}
	return nil
}

// isAbsent reports whether there is no such file. ENOTDIR: a folder of the path is an object.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// checkRoot fails where the root has vanished: then the absence of a file says nothing about the object.
func (s *Store) checkRoot() error {
	if _, err := os.Lstat(filepath.Join(s.root, unfinished)); err != nil {
		return fmt.Errorf("store folder %s has vanished, is its volume mounted: %w", s.root, err)
	}
	return nil
}
