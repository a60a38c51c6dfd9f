package spool

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// End closes the log: the last frame, the index and the seek table go to .log, of which object makes the log object. It
// may be called again, also after a failure or a restart, and always makes the same bytes of the same lines. A log
// without lines has no object; End then returns its summary only.
func (l *Log) End() (archive.Summary, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return l.stat, nil
	}
	if l.gone {
		return archive.Summary{}, fmt.Errorf("end log of %s: %w", l.instance, archive.ErrGone)
	}
	if err := l.end(); err != nil {
		return archive.Summary{}, fmt.Errorf("end log of %s: %w", l.instance, err)
	}
	return l.stat, nil
}

// end writes over the spool's limit: it is little, and it is what lets a full spool become empty.
func (l *Log) end() error {
	if err := l.join(l.spool.Exceed); err != nil {
		return err
	}
	l.dropOpen()
	if err := l.endObject(); err != nil {
		return errors.Join(err, l.cutTail()) // the log is still open
	}
	// Nobody reads .tail of a log that has ended, and cutting it costs as much as making a file: the record will take
	// its place.
	l.extra += l.tailSize
	l.tailSize, l.tailRaw = 0, 0
	l.cuts++
	l.ended = true
	l.changed()
	return nil
}

// endObject appends the index and the seek table to .log. They say how the frames lie in that file, and so do not stand
// in the object: they are what tells a restart that the log has ended, in a form that older versions read, too.
func (l *Log) endObject() error {
	l.stat.SHA256 = hex.EncodeToString(l.sum.Sum(nil))
	b, err := format.AppendIndex(nil, &format.Index{Summary: l.stat, Frames: l.frames}, format.HeadFirst)
	if err != nil {
		return err
	}
	if err := l.write(".log", l.size, b, l.spool.Exceed); err != nil {
		return err
	}
	l.extra = int64(len(b))
	return nil
}

// WriteRecord writes down, for the sealer, that the log's object is in the store. Only after End: the record takes the
// place of .tail, whose file is there most often and of no use any more.
func (l *Log) WriteRecord(r *archive.InstanceRecord) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = l.spool.Write(int64(len(text)), l.spool.Exceed, func() error { return disk.Overwrite(l.path(".tail"), text) })
	if err != nil {
		return err
	}
	return os.Rename(l.path(".tail"), l.path(SealedExt))
}

// Ended reports whether End was called, by this process or an earlier one: nothing can be appended any more.
func (l *Log) Ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}
