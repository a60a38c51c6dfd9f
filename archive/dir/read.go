package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
)

// Get is archive.Store's. The open file stays whole while the object is replaced or deleted.
func (s *Store) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	f, size, err := s.open(ctx, key, r)
	if err != nil {
		return nil, archive.Object{}, fmt.Errorf("get %s: %w", key, err)
	}
	start, n := r.Cut(size)
	body := &contextReader{ctx: ctx, Reader: io.NewSectionReader(f, start, n), Closer: f}
	return body, archive.Object{Key: key, Size: size}, nil
}

func (s *Store) open(ctx context.Context, key archive.Key, r archive.Range) (*os.File, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if r.Length < 0 {
		return nil, 0, fmt.Errorf("range length is %d, must be 0 or more", r.Length)
	}
	name, err := path(key)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(filepath.Join(s.root, name))
	if isAbsent(err) {
		return nil, 0, s.absent()
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = s.absent()
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func (s *Store) absent() error {
	if err := s.checkRoot(); err != nil {
		return err
	}
	return archive.ErrNotFound
}

// contextReader holds the context of the call that opened it: its reads end with it.
type contextReader struct {
	ctx context.Context
	io.Reader
	io.Closer
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// List is archive.Store's. It reads a folder when it comes to it, and holds the names of one folder per level.
func (s *Store) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		w := walk{ctx: ctx, prefix: prefix, after: string(after), yield: yield}
		err := s.checkRoot()
		if err == nil {
			err = w.folder(s.below(prefix))
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(archive.Object{}, fmt.Errorf("list %s: %w", prefix, err))
		}
	}
}

// below returns the folder in which every key of the prefix is, and the part of these keys that it stands for. Its
// siblings, which may be as many as there were Jobs, are not read.
func (s *Store) below(prefix string) (folder, key string) {
	whole := prefix[:strings.LastIndexByte(prefix, '/')+1]
	name, err := path(archive.Key(strings.TrimSuffix(whole, "/")))
	if err != nil { // no key has such a prefix, or the prefix names no folder
		return s.root, ""
	}
	return filepath.Join(s.root, name), whole
}

// errStopped ends a walk whose consumer has seen enough.
var errStopped = errors.New("stopped")

// walk is one List. It holds the context of that call.
type walk struct {
	ctx           context.Context
	prefix, after string
	yield         func(archive.Object, error) bool
}

// entry is one object, or one folder of keys, in a folder.
type entry struct {
	key  string // a folder's ends in a slash
	path string
	file fs.DirEntry // nil for a folder
}

// folder returns the objects below one folder; key is the part of their keys that the folder stands for. The order of
// keys is the order of names where the name of a folder counts with its slash: "a-b" stands before all of "a/", "a0"
// behind.
func (w *walk) folder(path, key string) error {
	entries, err := readFolder(path, key)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		switch {
		case e.file != nil:
			err = w.object(e)
		case w.wants(e.key):
			err = w.folder(e.path, e.key)
		}
		if err != nil {
			return err
		}
	}
	return w.ctx.Err()
}

// wants reports whether a key below the folder can be asked for.
func (w *walk) wants(folder string) bool {
	return (strings.HasPrefix(folder, w.prefix) || strings.HasPrefix(w.prefix, folder)) &&
		(folder > w.after || strings.HasPrefix(w.after, folder))
}

func (w *walk) object(e entry) error {
	if !strings.HasPrefix(e.key, w.prefix) || e.key <= w.after {
		return nil
	}
	info, err := e.file.Info()
	if isAbsent(err) { // deleted since
		return nil
	}
	if err != nil {
		return err
	}
	if !w.yield(archive.Object{Key: archive.Key(e.key), Size: info.Size()}, nil) {
		return errStopped
	}
	return nil
}

// readFolder returns what stands in a folder, in no order. Folders that only hold the rest of a long name are read
// along, because their names belong among the others. A folder that is gone has nothing.
func readFolder(path, key string) ([]entry, error) {
	files, err := os.ReadDir(path)
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	var entries []entry
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") { // no key's name has a leading dot
			continue
		}
		segment, cont := segmentOf(f.Name())
		e := entry{key: key + segment, path: filepath.Join(path, f.Name()), file: f}
		switch {
		case cont:
			rest, err := readFolder(e.path, e.key)
			if err != nil {
				return nil, err
			}
			entries = append(entries, rest...)
			continue
		case f.IsDir():
			e.key, e.file = e.key+"/", nil
		}
		entries = append(entries, e)
	}
	return entries, nil
}
