package archive

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that every Store returns, whatever it is made of. Anything else a Store returns is trouble of the store itself
// (it cannot be reached, it refuses, it is full): such an error says nothing about the object, and the caller tries
// again.
var (
	// ErrNotFound means that the store holds no object of that key.
	ErrNotFound = errors.New("object not found")
	// ErrExists means that a Put with IfAbsent found the key taken. The object that is there is unchanged.
	ErrExists = errors.New("object already exists")
)

// Key names one object in a store, without the store's own bucket and prefix: "v1/<namespace>/...". No key is the
// folder of another key, so that a store made of files can hold them all.
type Key string

// Store is where the archive lives. Implementations: archive/s3 and archive/dir, both under one conformance suite,
// archive/storetest.
//
// All methods may be called at once from many goroutines. A reader never sees half an object, and sees an object as
// soon as its Put has returned nil. A Put that returns an error may or may not have stored the object: the caller
// looks, or puts the same bytes again. Every call ends when its context does.
type Store interface {
	// Put stores the whole of body under key. When it returns nil the object is durable. The body is read from its
	// start, more than once if a try is repeated inside; it is not closed. With IfAbsent it returns ErrExists, and
	// changes nothing, where the key is taken; a store that cannot do this is found out by Probe.
	Put(ctx context.Context, key Key, body io.ReadSeeker, opts PutOptions) error
	// Get opens the bytes of an object that r asks for. It returns ErrNotFound where there is none. The caller closes
	// the reader; an error in the middle of the bytes comes from Read.
	Get(ctx context.Context, key Key, r Range) (io.ReadCloser, Object, error)
	// List yields the objects whose keys start with prefix, in the order of their keys, from the first key that sorts
	// after the given one ("" is the start). It stops at the first error, which is the last thing it yields.
	List(ctx context.Context, prefix string, after Key) iter.Seq2[Object, error]
	// Delete removes the objects. A key that is not there is no error. When it fails, some may be gone.
	Delete(ctx context.Context, keys ...Key) error
}

// Object says what a store knows of one object.
type Object struct {
	Key  Key
	Size int64 // bytes of the whole object, also when a range was asked for
}

// PutOptions say how an object is put. The zero value is a plain put that replaces what is there.
type PutOptions struct {
	IfAbsent    bool   // fail with ErrExists instead of replacing
	ContentType string // "" is application/octet-stream
}

// Range picks bytes of an object. The zero value is the whole object.
type Range struct {
	Offset int64 // first byte; negative: the last -Offset bytes (all of them where the object is shorter)
	Length int64 // number of bytes, cut at the object's end; 0 is all from Offset on
}

// Cut returns the place and number of the bytes that r asks for in an object of size bytes.
func (r Range) Cut(size int64) (start, n int64) {
	start = min(r.Offset, size)
	if r.Offset < 0 {
		start = max(0, size+r.Offset)
	}
	n = size - start
	if r.Length > 0 {
		n = min(n, r.Length)
	}
	return start, n
}

// ErrDamaged means that stored bytes are not what was written. The error around it names the place.
var ErrDamaged = errors.New("damaged")

// ErrGone means that a log has left the spool: it is in the store, or was dropped.
var ErrGone = errors.New("log has left the spool")

// Of returns how many bytes of an object of this size the range is.
func (r Range) Of(size int64) int64 {
	_, n := r.Cut(size)
	return n
}

// UploadAborter is what a store does that takes large objects in parts.
type UploadAborter interface {
	// AbortUploads returns back the parts of uploads that were begun before the given time and neither completed nor
	// aborted, and says how many uploads these were.
	AbortUploads(ctx context.Context, before time.Time) (int, error)
}
