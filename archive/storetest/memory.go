package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
)

// Reporter is the part of *testing.T that Memory speaks to.
type Reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// Memory is an archive.Store in memory that watches over the rules of the archive. It fails the test when
//   - a sealed log object (*.log.zst) or a manifest (manifest.json) is replaced by other bytes,
//   - an object is read after Delete took it away and before it was put again,
//   - an empty object is put outside v1/_index/,
//   - a key has an empty segment, or is the folder of another key.
//
// It still does what it was asked, as a real store would. Several components or replicas of a test may share one
// Memory.
type Memory struct {
	// MayReplace and MayReadDeleted exempt the keys for which they give true. nil exempts none. Set them before use.
	MayReplace, MayReadDeleted func(archive.Key) bool
	// LongestPart is how many bytes of a key it takes between two slashes, as a store over a file system does; it
	// refuses all that names more. 0: any number. Set it before use.
	LongestPart int

	report Reporter // nil: no rule is watched

	mu      sync.Mutex
	objects map[archive.Key][]byte // guarded by mu; the bytes of a body never change
	deleted map[archive.Key]bool   // guarded by mu
	folders map[string]bool        // guarded by mu; every folder that a key was ever put into, without its slash
}

// NewMemory returns an empty store that reports broken rules to t. With a nil t it watches no rule.
func NewMemory(t Reporter) *Memory {
	return &Memory{
		report: t, objects: map[archive.Key][]byte{}, deleted: map[archive.Key]bool{}, folders: map[string]bool{},
	}
}

// takes refuses what has too long a part, be it asked for or only looked for.
func (m *Memory) takes(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if m.LongestPart > 0 && len(part) > m.LongestPart {
			return fmt.Errorf("%d bytes between slashes, want %d at most: %w", len(part), m.LongestPart, archive.ErrKey)
		}
	}
	return nil
}

// Put is archive.Store's.
func (m *Memory) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	if err := m.takes(string(key)); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	b, err := readBody(ctx, body)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, taken := m.objects[key]
	if taken && opts.IfAbsent {
		return fmt.Errorf("put %s: %w", key, archive.ErrExists)
	}
	m.watchPut(key, old, taken, b)
	m.objects[key] = b
	delete(m.deleted, key)
	for folder := range foldersOf(key) {
		m.folders[folder] = true
	}
	return nil
}

func readBody(ctx context.Context, body io.ReadSeeker) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	size, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	// Tests put very many bytes, and a buffer that grows copies each of them several times. A folder says any size.
	const most = 64 << 20
	b := bytes.NewBuffer(make([]byte, 0, min(size, most)+bytes.MinRead))
	_, err = b.ReadFrom(body)
	return b.Bytes(), err
}

// watchPut reports what a put breaks. The caller holds mu.
func (m *Memory) watchPut(key archive.Key, old []byte, taken bool, b []byte) {
	if m.report == nil {
		return
	}
	m.report.Helper()
	if taken && isSealed(key) && !bytes.Equal(old, b) && !exempt(m.MayReplace, key) {
		m.report.Errorf("put %s: a sealed object of %d bytes is replaced by %d other bytes", key, len(old), len(b))
	}
	if len(b) == 0 && !strings.HasPrefix(string(key), "v1/_index/") {
		m.report.Errorf("put %s: the object is empty", key)
	}
	if strings.Contains("/"+string(key)+"/", "//") {
		m.report.Errorf("put %q: the key has an empty segment", key)
	}
	if m.folders[string(key)] {
		m.report.Errorf("put %s: the key is the folder of another key", key)
	}
	for folder := range foldersOf(key) {
		if _, taken := m.objects[archive.Key(folder)]; taken {
			m.report.Errorf("put %s: its folder %s is the key of another object", key, folder)
		}
	}
}

func isSealed(key archive.Key) bool {
	return strings.HasSuffix(string(key), ".log.zst") || strings.HasSuffix(string(key), "/manifest.json")
}

func exempt(rule func(archive.Key) bool, key archive.Key) bool { return rule != nil && rule(key) }

// foldersOf yields every folder above key, without its slash.
func foldersOf(key archive.Key) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, c := range string(key) {
			if c == '/' && !yield(string(key[:i])) {
				return
			}
		}
	}
}

// Get is archive.Store's.
func (m *Memory) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, archive.Object{}, fmt.Errorf("get %s: %w", key, err)
	}
	if r.Length < 0 {
		return nil, archive.Object{}, fmt.Errorf("get %s: range length is %d, must be 0 or more", key, r.Length)
	}
	if err := m.takes(string(key)); err != nil {
		return nil, archive.Object{}, fmt.Errorf("get %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.report != nil && m.deleted[key] && !exempt(m.MayReadDeleted, key) {
		m.report.Helper()
		m.report.Errorf("get %s: the object was deleted", key)
	}
	b, ok := m.objects[key]
	if !ok {
		return nil, archive.Object{}, fmt.Errorf("get %s: %w", key, archive.ErrNotFound)
	}
	start, n := r.Cut(int64(len(b)))
	body := &contextReader{ctx: ctx, Reader: bytes.NewReader(b[start : start+n])}
	return body, archive.Object{Key: key, Size: int64(len(b))}, nil
}

// contextReader ends with its context, as a read from a network does.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (r *contextReader) Close() error { return nil }

// List is archive.Store's. It gives the keys of the moment at which it begins.
func (m *Memory) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		if err := m.takes(prefix); err != nil {
			yield(archive.Object{}, fmt.Errorf("list %s: %w", prefix, err))
			return
		}
		m.mu.Lock()
		objects := maps.Clone(m.objects)
		m.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			if err := ctx.Err(); err != nil {
				break
			}
			if !strings.HasPrefix(string(key), prefix) || key <= after {
				continue
			}
			if !yield(archive.Object{Key: key, Size: int64(len(objects[key]))}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(archive.Object{}, fmt.Errorf("list %s: %w", prefix, err))
		}
	}
}

// Delete is archive.Store's.
func (m *Memory) Delete(ctx context.Context, keys ...archive.Key) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %d objects: %w", len(keys), err)
	}
	for _, key := range keys {
		if err := m.takes(string(key)); err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if _, ok := m.objects[key]; ok {
			delete(m.objects, key)
			m.deleted[key] = true
		}
	}
	return nil
}

// Keys returns the keys that the store holds, in their order. It counts as no call and breaks no rule.
func (m *Memory) Keys() []archive.Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

// Bytes returns a copy of the object's bytes, and whether there is one. It counts as no call and breaks no rule.
func (m *Memory) Bytes(key archive.Key) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[key]
	return bytes.Clone(b), ok
}
