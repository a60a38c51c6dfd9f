package storetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
)

// Op names a method of archive.Store.
type Op string

// The methods of archive.Store.
const (
	OpPut    Op = "put"
	OpGet    Op = "get"
	OpList   Op = "list"
	OpDelete Op = "delete"
)

// ErrFault is what a broken call returns where the effect names no other error. It says nothing about the object.
var ErrFault = errors.New("the store is out of order")

// Fault breaks calls of one method.
type Fault struct {
	Op Op
	// Key picks the calls by key (by prefix for a List; a Delete is picked by any of its keys). A "*" stands for any
	// bytes, also slashes; "" picks every call.
	Key string
	// Skip is how many picked calls pass untouched first.
	Skip int
	// Times is how many calls are broken then; 0 is one, negative is every call from there on.
	Times int
	// Effect is what happens to the call. nil is NotStored(nil).
	Effect Effect
}

// Call is one call that is being broken.
type Call struct {
	Op    Op
	Key   archive.Key   // the first key of a Delete, the prefix of a List
	Bytes int64         // size of a Put's body
	Body  io.ReadCloser // what Get will give, once the call went through; an effect may exchange it
}

// Effect breaks a call. through lets the call through to the store and gives its error; an effect may leave it out.
type Effect func(ctx context.Context, c *Call, through func(context.Context) error) error

// Count says how often a method was called and how many bytes of objects it moved.
type Count struct {
	Requests int
	Bytes    int64
}

// Faulty is an archive.Store that passes all calls to Store, except those that a fault breaks, and counts them.
// &Faulty{Store: s} is ready for use. Faults stand in a queue: a call meets the first fault that picks it and is not
// used up yet. Faults may be added while calls run.
type Faulty struct {
	Store archive.Store

	mu     sync.Mutex
	faults []*queued    // guarded by mu
	counts map[Op]Count // guarded by mu
}

type queued struct {
	Fault
	seen, fired int
}

// Break puts faults at the end of the queue.
func (f *Faulty) Break(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range faults {
		f.faults = append(f.faults, &queued{Fault: fault})
	}
}

// Mend takes all faults out of the queue, also those that never fired. Calls that a fault holds stay held.
func (f *Faulty) Mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Count returns the count of a method so far. Calls count when they begin, broken or not; bytes when they moved.
func (f *Faulty) Count(op Op) Count {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[op]
}

// VerifyAllFired fails the test for every fault in the queue that broke no call, or fewer than it was to break.
func (f *Faulty) VerifyAllFired(t Reporter) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, q := range f.faults {
		if want := max(q.Times, 1); q.fired < want {
			t.Errorf("fault %d (%s of %q, skip %d) fired %d times, want %d", i, q.Op, q.Key, q.Skip, q.fired, want)
		}
	}
}

// meet counts the call and returns the effect that breaks it, or nil.
func (f *Faulty) meet(op Op, keys ...archive.Key) Effect {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(op, 1, 0)
	for _, q := range f.faults {
		if q.Op != op || !q.picks(keys) || q.Times >= 0 && q.fired == max(q.Times, 1) {
			continue
		}
		if q.seen++; q.seen <= q.Skip {
			continue
		}
		q.fired++
		if q.Effect == nil {
			return NotStored(nil)
		}
		return q.Effect
	}
	return nil
}

func (q *queued) picks(keys []archive.Key) bool {
	return q.Key == "" || slices.ContainsFunc(keys, func(key archive.Key) bool { return matches(q.Key, string(key)) })
}

// matches reports whether s is pattern, where each "*" of pattern stands for any bytes.
func matches(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return s == pattern
	}
	s, ok := strings.CutPrefix(s, first)
	for i := 0; ok && i <= len(s); i++ {
		if matches(rest, s[i:]) {
			return true
		}
	}
	return false
}

// count adds to the counts of op. The caller holds mu.
func (f *Faulty) count(op Op, requests int, bytes int64) {
	if f.counts == nil {
		f.counts = map[Op]Count{}
	}
	c := f.counts[op]
	f.counts[op] = Count{c.Requests + requests, c.Bytes + bytes}
}

func (f *Faulty) moved(op Op, bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(op, 0, bytes)
}

// Put is archive.Store's.
func (f *Faulty) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	size, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	through := func(ctx context.Context) error {
		err := f.Store.Put(ctx, key, body, opts)
		if err == nil {
			f.moved(OpPut, size)
		}
		return err
	}
	if effect := f.meet(OpPut, key); effect != nil {
		return effect(ctx, &Call{Op: OpPut, Key: key, Bytes: size}, through)
	}
	return through(ctx)
}

// Get is archive.Store's.
func (f *Faulty) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	c := &Call{Op: OpGet, Key: key}
	var obj archive.Object
	through := func(ctx context.Context) (err error) {
		c.Body, obj, err = f.Store.Get(ctx, key, r)
		if err == nil {
			c.Body = &countedBody{ReadCloser: c.Body, moved: f.moved}
		}
		return err
	}
	call := through
	if effect := f.meet(OpGet, key); effect != nil {
		call = func(ctx context.Context) error { return effect(ctx, c, through) }
	}
	if err := call(ctx); err != nil {
		if c.Body != nil {
			err = errors.Join(err, c.Body.Close())
		}
		return nil, archive.Object{}, err
	}
	return c.Body, obj, nil
}

type countedBody struct {
	io.ReadCloser
	moved func(Op, int64)
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.moved(OpGet, int64(n))
	return n, err
}

// List is archive.Store's. NotStored breaks it before the first object, Stored after the last.
func (f *Faulty) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		ended := false // by the store's own error or by the consumer: nothing may follow
		through := func(ctx context.Context) error {
			for obj, err := range f.Store.List(ctx, prefix, after) {
				if !yield(obj, err) || err != nil {
					ended = true
					return err
				}
			}
			return nil
		}
		call := through
		if effect := f.meet(OpList, archive.Key(prefix)); effect != nil {
			call = func(ctx context.Context) error {
				return effect(ctx, &Call{Op: OpList, Key: archive.Key(prefix)}, through)
			}
		}
		if err := call(ctx); err != nil && !ended {
			yield(archive.Object{}, err)
		}
	}
}

// Delete is archive.Store's.
func (f *Faulty) Delete(ctx context.Context, keys ...archive.Key) error {
	through := func(ctx context.Context) error { return f.Store.Delete(ctx, keys...) }
	effect := f.meet(OpDelete, keys...)
	if effect == nil {
		return through(ctx)
	}
	c := &Call{Op: OpDelete}
	if len(keys) > 0 {
		c.Key = keys[0]
	}
	return effect(ctx, c, through)
}
