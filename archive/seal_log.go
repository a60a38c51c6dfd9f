package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// sealedExt is the record of a log whose object is in the store.
const sealedExt = ".sealed.json"

// Log seals one instance's log and gives its record without the container's state. The frames have left the spool when it
// returns. ErrSealed: the pod's manifest is there already and vouches for another log.
func (s *Sealer) Log(ctx context.Context, l *Log) (InstanceRecord, error) {
	// A record that is there was written after the log object was stored: an earlier try, or an earlier process.
	r, ok, err := l.Record()
	if err != nil {
		return r, err
	}
	if ok {
		return r, l.drop()
	}
	sum, err := l.End()
	if err != nil {
		return r, err
	}
	there, err := s.keep(ctx, l, sum)
	if err != nil {
		return r, fmt.Errorf("put log object of %s: %w", l.Instance(), err)
	}
	r = there.record(l.Instance())
	if err := l.writeRecord(&r); err != nil {
		return r, fmt.Errorf("write record of %s: %w", l.Instance(), err)
	}
	return r, l.drop()
}

// kept is a log as the store holds it.
type kept struct {
	Summary
	key  Key   // "" where there is no object
	size int64 // bytes of the object
}

func (k *kept) record(i Instance) InstanceRecord {
	r := InstanceRecord{Instance: i, Gaps: k.Gaps, Seams: k.Rotations}
	r.Verdict, r.Reason = judge(&k.Summary)
	if k.key != "" {
		r.Log = &LogRecord{
			Key: k.key, Size: k.size, Lines: k.Lines, Bytes: k.Bytes, SHA256: k.SHA256,
			First: timeOf(k.First), Last: timeOf(k.Last),
		}
	}
	return r
}

// summary is what a record says of its log.
func (r *InstanceRecord) summary() Summary {
	s := Summary{Version: formatVersion, Instance: r.Instance, Gaps: r.Gaps, Rotations: r.Seams}
	if r.Log != nil {
		s.Lines, s.Bytes, s.SHA256 = r.Log.Lines, r.Log.Bytes, r.Log.SHA256
		s.First, s.Last = nanos(r.Log.First), nanos(r.Log.Last)
	}
	return s
}

// keep puts the log object. An object that is there already is never replaced: a manifest, ours or another replica's, may
// vouch for it at any time.
func (s *Sealer) keep(ctx context.Context, l *Log, sum Summary) (*kept, error) {
	key := l.Instance().LogKey()
	switch {
	case sum.Lines > 0:
	case len(sum.Gaps) == 0:
		return &kept{Summary: sum}, nil
	default:
		// An earlier life may have stored the log, and then lost its disk.
		there, err := s.look(ctx, l.Instance(), key)
		if there == nil && err == nil {
			there = &kept{Summary: sum}
		}
		return there, err
	}
	ours, err := s.put(ctx, l, sum, key)
	if !errors.Is(err, ErrExists) {
		return ours, err
	}
	there, err := s.look(ctx, l.Instance(), key)
	if err != nil {
		return nil, err
	}
	if there != nil && there.standsBefore(&sum) {
		return there, nil
	}
	if _, err := s.Manifest(ctx, l.Instance().PodRef); !errors.Is(err, ErrNotFound) {
		if err == nil {
			err = ErrSealed
		}
		return nil, err
	}
	return s.keepBeside(ctx, l, sum)
}

// keepBeside puts the log under a key that names its text. What stands there is ours, stored by a try that reported failure, or
// damaged: then a key is free that names more of the sum. Without one the pod could never be sealed.
func (s *Sealer) keepBeside(ctx context.Context, l *Log, sum Summary) (*kept, error) {
	var key Key
	for _, digits := range []int{16, 32, 64} {
		key = l.Instance().otherLogKey(sum.SHA256[:digits])
		s.log.Warn("another log stands under the key; ours is put beside it", "instance", l.Instance(), "key", key)
		ours, err := s.put(ctx, l, sum, key)
		if !errors.Is(err, ErrExists) {
			return ours, err
		}
		if there, err := s.look(ctx, l.Instance(), key); there != nil || err != nil {
			return there, err
		}
	}
	return nil, fmt.Errorf("object %s: %w", key, ErrDamaged)
}

// standsBefore: what is there is the same log, or holds more of it.
func (k *kept) standsBefore(ours *Summary) bool {
	if k.SHA256 == ours.SHA256 && k.Lines == ours.Lines {
		return len(k.Gaps) <= len(ours.Gaps)
	}
	return k.Lines > ours.Lines && len(ours.Gaps) > 0
}

func (s *Sealer) put(ctx context.Context, l *Log, sum Summary, key Key) (*kept, error) {
	var size int64
	err := s.breaker.put(ctx, "put log object", func(ctx context.Context) error {
		// Made anew for each try: while the store is in trouble all logs that wait would hold one.
		body, err := l.object()
		if err != nil {
			return fmt.Errorf("%w: %w", errSpoolFile, err)
		}
		defer body.close()
		size = body.Size()
		err = s.store.Put(ctx, key, body, PutOptions{IfAbsent: true, ContentType: "application/zstd"})
		if local := body.file.err.Load(); err != nil && local != nil {
			return fmt.Errorf("%w: %w", errSpoolFile, *local)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &kept{Summary: sum, key: key, size: size}, nil
}

// look reads what the store holds of the instance under a key: nil where that is nothing, or nothing of use.
func (s *Sealer) look(ctx context.Context, i Instance, key Key) (*kept, error) {
	return s.readKept(ctx, key, func(there Summary) bool { return there.Instance.ContainerID == i.ContainerID && there.Lines > 0 })
}

// errSpoolFile means that the disk, not the store, failed while an object was put: waiting for the store would not help.
var errSpoolFile = errors.New("read spool file")

// spoolFile is the body of a journal object, and what that of a log object is read from. It remembers when the disk failed. Stores read parts of it at once, in place.
type spoolFile struct {
	file *os.File
	err  atomic.Pointer[error]
}

func (f *spoolFile) Read(p []byte) (int, error) { return f.note(f.file.Read(p)) }

func (f *spoolFile) ReadAt(p []byte, at int64) (int, error) { return f.note(f.file.ReadAt(p, at)) }

func (f *spoolFile) Seek(offset int64, whence int) (int64, error) { return f.file.Seek(offset, whence) }

func (f *spoolFile) note(n int, err error) (int, error) {
	if err != nil && !errors.Is(err, io.EOF) {
		f.err.Store(&err)
	}
	return n, err
}
