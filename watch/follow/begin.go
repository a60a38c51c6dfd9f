package follow

import (
	"context"
	"errors"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// prepare chooses where the answer begins and takes up what is held from there on.
func (f *Follower) prepare(ctx context.Context, r *Request) (err error) {
	from := place{since: since(f.resumeTime(f.log.Summary()))}
	if r.All = r.All || f.sinceHides() || f.hidesNow(ctx, r, from.since); !r.All {
		r.Since = from.since
		f.resumed = f.resumed || r.Follow && from.since > 0
	} else if from, err = f.fileBegins(ctx, r, from); err != nil {
		return err
	}
	if r.Follow {
		f.since.Store(r.Since)
	}
	if f.overlap, err = newOverlap(f.log, from); err != nil {
		return &spoolError{err}
	}
	return nil
}

// sinceHides reports whether since may hide a part of a line, and nothing shows it: inside a line that has no end so
// far, for its records have times of their own; and where the clock was set back, for lines from before that are served
// then, and those behind them not, so that the end of a line may be missing, and the next one stands in it.
func (f *Follower) sinceHides() bool {
	last := f.tail.time()
	return f.tail.open() || last != 0 && time.Duration(f.log.Summary().Last-last) > outOfOrder
}

// hidesNow reports whether since hides the log's last record from a stream.
func (f *Follower) hidesNow(ctx context.Context, r *Request, since int64) bool {
	if !r.Follow || since == 0 {
		return false
	}
	last, ok := f.peek(ctx, Request{Tail: 1})
	return ok && last.Time < since
}

// errNoHead: where a file begins could not be asked.
var errNoHead = errors.New("the file's first record was not served")

// fileSeam is where a file begins in what is held, known by what stands behind its first record of that time.
type fileSeam struct {
	time int64
	seam seam
}

// fileBegins returns the place of the file's first record in what is held: the whole file is compared, so what is held
// of it must be known whole. Times do not tell, for the clock may have been set back inside it. Where the record is not
// held a time well before it must do.
func (f *Follower) fileBegins(ctx context.Context, r *Request, from place) (place, error) {
	first, ok := f.head(ctx, r.Previous)
	if !ok {
		return from, errNoHead
	}
	if first.time == 0 {
		return f.fileEmpty(from)
	}
	f.empties, f.begins = 0, fileSeam{}
	is, at, err := f.findRecord(first)
	if is >= 0 || err != nil {
		return f.orderly(is), wrapSpool(err)
	}
	if s, ok, err := f.findSeamAnywhere(first); ok || err != nil {
		f.begins = fileSeam{first.time, s}
		return f.orderly(s.after), wrapSpool(err)
	}
	s, ok, err := f.findSeamBehind(first)
	if ok || err != nil {
		f.begins = fileSeam{first.time, s}
		return f.orderly(s.after), wrapSpool(err)
	}
	if at >= 0 {
		return f.orderly(at), nil
	}
	from.since = min(from.since, first.time-int64(10*time.Minute))
	return from, nil
}

// findRecord returns how many lines are held before the one that is the record, and before the first one that has only
// its time, as those behind it in a block of a process have; -1: there is none.
func (f *Follower) findRecord(h head) (is, at int64, err error) {
	var n int64
	is, at = -1, -1
	err = f.log.Held(0, func(line archive.Line) bool {
		if line.Time == h.time {
			if at < 0 {
				at = n
			}
			if h.is(line) {
				is = n
			}
		}
		n++
		return is < 0
	})
	return is, at, err
}

// fileEmpty returns the place where the file's first record will be, once there is one. An answer that was cut on its
// way looks like that of an empty file, so all that is held is compared. Of a log for which that is too much the file
// must be found empty again and again.
func (f *Follower) fileEmpty(from place) (place, error) {
	if f.log.Summary().Bytes <= wholeBytes {
		return place{}, nil
	}
	if f.empties++; f.empties < enoughEmpties {
		return from, errNoHead
	}
	return from, nil
}

const enoughEmpties = 5

// resumeTime is the time to resume from: that of the last line in the order served, for a clock that stepped back
// serves its next lines with earlier times than the latest one.
func (f *Follower) resumeTime(s archive.Summary) int64 {
	if t := f.tail.time(); t != 0 {
		return min(t, s.Last)
	}
	return s.Last
}
