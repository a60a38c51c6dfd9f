package follow

import (
	"context"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// Nobody looks at the files of a log that is quiet, and none of one that was rotated right before its end, or before
// the first look of a later life of the daemon. So that a log is called complete only where it is one file, the file
// that is there at the end is asked for its first record: where that is not the log's first line a seam lies between
// them.

// findNewest finds the first record of the file that is there at the end. Not ok: nobody could say.
func (f *Follower) findNewest(ctx context.Context, r Request) (ok bool, err error) {
	f.newest = 0
	start, err := begin(f.log)
	if start == 0 || err != nil {
		return true, wrapSpool(err)
	}
	if f.opens == start { // the answer goes back to it
		f.newest = start
		return true, nil
	}
	first, ok := f.head(ctx, r.Previous)
	if ok {
		f.newest = first.time
	}
	return ok || f.empty, nil // an empty file is the affair of proven
}

// begin returns the time of a log's first line that has one, 0 where nothing is held.
func begin(log *spool.Log) (at int64, err error) {
	err = log.Held(0, func(line archive.Line) bool {
		at = line.Time
		return at == 0
	})
	return at, err
}

// countNewest counts the seam before the file that was there at the end, if no look has found it. How many more there
// are between the log's first line and that file, where no look was taken, nobody knows.
func (f *Follower) countNewest() error {
	if f.newest == 0 {
		return nil
	}
	turned := f.rotation.another(f.newest)
	if f.log.Summary().Rotations == 0 {
		start, err := begin(f.log)
		if err != nil {
			return &spoolError{err}
		}
		turned = f.newest != start
	}
	if turned {
		f.log.Rotated()
	}
	return nil
}
