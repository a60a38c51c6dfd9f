package read

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/archive/sieve"
)

// Reader gives logs back, wherever they are: in the store as log objects, in the journal of a replica, in the spool and
// the memory of this process. It changes nothing. Safe for concurrent use.
//
// What it holds in memory are some frames for each answer that is being read, whatever the size of the logs.
type Reader struct {
	*find.Finder
	turns chan struct{} // a token for each answer that matches an expression at this moment
}

// New makes a Reader.
func New(cfg find.Config) *Reader {
	return &Reader{find.New(cfg), sieve.NewTurns()}
}

// Read finds the logs that a query names. It returns a *QueryError where the query is wrong, and ErrNotFound where the
// archive knows nothing of its target. An instance that did not write, or whose log is lost, is no error.
func (r *Reader) Read(ctx context.Context, q archive.Query) (*archive.Answer, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	back, err := room.Of(ctx).Find(ctx)
	if err != nil {
		return nil, err
	}
	found, err := r.Find(ctx, q.Target)
	back()
	if err != nil {
		return nil, fmt.Errorf("find logs of %s: %w", q.Target, err)
	}
	found = found.Within(q.Within)
	// A Job that never had a pod has no log, and is known.
	if len(found.Pods) == 0 && (q.Target.Pod != "" || !found.Documented()) {
		return nil, fmt.Errorf("find logs of %s: %w", q.Target, archive.ErrNotFound)
	}
	return r.answer(ctx, &q, found)
}

// Object opens a part of a log object as it is stored, for a download. The key must be one that a manifest names. The
// caller closes the reader.
func (r *Reader) Object(ctx context.Context, key archive.Key, part archive.Range) (io.ReadCloser, archive.Object, error) {
	if !archive.IsLogKey(key) {
		return nil, archive.Object{}, archive.BadQuery("key", key, "the key of a log object")
	}
	body, object, err := format.Open(ctx, r.Cfg.Store, key, part)
	if err != nil {
		return nil, archive.Object{}, fmt.Errorf("open %s: %w", key, err)
	}
	return body, object, nil
}

// errEnough ends a walk whose consumer wants no more.
var errEnough = errors.New("enough")
