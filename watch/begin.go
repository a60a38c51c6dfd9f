package watch

import (
	"context"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// prepare chooses where the answer begins and takes up what is held from there on.
func (f *Follower) prepare(ctx context.Context, r *Request) (err error) {
	from := place{since: since(f.resumeTime(f.log.Summary()))}
	if !r.All {
		r.Since = from.since
		f.resumed = f.resumed || r.Follow && from.since > 0
	} else if from, err = f.fileBegins(ctx, r, from); err != nil {
		return &spoolError{err}
	}
	if r.Follow {
		f.since.Store(r.Since)
	}
	if f.overlap, err = newOverlap(f.log, from); err != nil {
		return &spoolError{err}
	}
	return nil
}

// fileBegins gives the place of the file's first record in what is held: the whole file is compared, so what is held of
// it must be known whole. Times do not tell, for the clock may have been set back inside it. Where the record is not
// held a time well before it must do.
func (f *Follower) fileBegins(ctx context.Context, r *Request, from place) (place, error) {
	first, ok := f.head(ctx, r.Previous)
	if !ok {
		return from, nil
	}
	var n int64
	found := false
	err := f.log.Held(0, func(line archive.Line) bool {
		found = line.Time == first.time
		n++
		return !found
	})
	if found || err != nil {
		return place{after: n - 1}, err
	}
	if s, ok, err := f.findSeam(first); ok || err != nil {
		return place{after: s.after}, err
	}
	from.since = min(from.since, first.time-int64(10*time.Minute))
	return from, nil
}

// resumeTime is the time to resume from: that of the last line in the order served, for a clock that stepped back
// serves its next lines with earlier times than the latest one.
func (f *Follower) resumeTime(s archive.Summary) int64 {
	if t := f.tail.time(); t != 0 {
		return min(t, s.Last)
	}
	return s.Last
}
