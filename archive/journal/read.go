package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// Reader looks into journals without taking anything over: for people, and for tools that only look. It changes
// nothing, and needs no spool. Safe for concurrent use.
//
// Journals are removed while they are read: an object that went away is ErrNotFound, and no sign of trouble.
type Reader struct {
	store archive.Store
	codec *format.Codec
}

// NewReader makes a Reader. It asks the store nothing.
func NewReader(store archive.Store, codec *format.Codec) *Reader { return &Reader{store, codec} }

// Object is an object of a journal, with its index.
type Object struct {
	Key   archive.Key          `json:"key"`
	Size  int64                `json:"size"`            // bytes
	Index *format.JournalIndex `json:"index,omitempty"` // nil where it is damaged
	Error string               `json:"error,omitempty"` // what is damaged
}

// Frame is one frame of a log in a journal object.
type Frame struct {
	format.JournalPart
	FirstLine int64         `json:"firstLine"`         // lines of the log before it
	Lines     int64         `json:"lines"`             // in it
	RawSize   int64         `json:"rawSize"`           // bytes of its text
	Low       int64         `json:"low"`               // earliest time of a line, ns since 1970
	High      int64         `json:"high"`              // latest time
	CRC       uint32        `json:"crc32c"`            // of the data as it is stored
	Gaps      []archive.Gap `json:"gaps,omitempty"`    // that became known while it was open
	Damaged   string        `json:"damaged,omitempty"` // what is wrong; the fields above may be zero then
}

// ErrNoSuchLog means that an object holds nothing of a log.
var ErrNoSuchLog = errors.New("no such log in the object")

// List yields the objects of a replica's journal, of all replicas where that is "", in the order of their keys. Objects
// that go away meanwhile are passed over, damaged ones say so. It stops at the first error of the store, which is the
// last thing it yields.
func (r *Reader) List(ctx context.Context, replica string) iter.Seq2[Object, error] {
	prefix := archive.JournalPrefix
	if replica != "" {
		prefix = archive.ReplicaPrefix(replica)
	}
	return func(yield func(Object, error) bool) {
		some := make([]archive.Object, 0, patient.AtOnce)
		for object, err := range r.store.List(ctx, prefix, "") {
			if err != nil {
				yield(Object{}, fmt.Errorf("list journals: %w", err))
				return
			}
			if archive.SequenceOf(object.Key) < 0 {
				continue
			}
			if some = append(some, object); len(some) == cap(some) {
				if !r.giveAll(ctx, some, yield) {
					return
				}
				some = some[:0]
			}
		}
		r.giveAll(ctx, some, yield)
	}
}

// giveAll reads the indexes of some objects at once.
func (r *Reader) giveAll(ctx context.Context, some []archive.Object, yield func(Object, error) bool) bool {
	read := make([]Object, len(some))
	err := patient.Parallel(ctx, len(some), func(ctx context.Context, i int) (err error) {
		read[i], err = r.Object(ctx, some[i].Key)
		if errors.Is(err, archive.ErrNotFound) {
			return nil // it was removed meanwhile
		}
		return err
	})
	if err != nil {
		yield(Object{}, err)
		return false
	}
	for _, object := range read {
		if object.Key != "" && !yield(object, nil) {
			return false
		}
	}
	return true
}

// Object reads one object's index. Damage is no error: the object says so. ErrNotFound: it was removed.
func (r *Reader) Object(ctx context.Context, key archive.Key) (Object, error) {
	x, size, err := r.codec.SizedJournalIndex(ctx, r.store, key)
	switch {
	case errors.Is(err, archive.ErrDamaged):
		return Object{Key: key, Size: size, Error: err.Error()}, nil
	case err != nil:
		return Object{}, err
	}
	return Object{Key: key, Size: size, Index: x}, nil
}

// Frames reads the frames of a run and checks them. The error is the store's; what is damaged says so itself.
func (r *Reader) Frames(ctx context.Context, key archive.Key, run format.JournalFrames) ([]Frame, error) {
	var frames []Frame
	at := run.Offset
	err := r.walk(ctx, key, run, func(b []byte, h *format.Head, err error) error {
		f := Frame{
			JournalPart: format.JournalPart{Offset: at, Size: int64(len(b))}, FirstLine: h.FirstLine, Lines: h.Lines, RawSize: h.RawSize,
			Low: h.Low, High: h.High, CRC: h.DataCRC, Gaps: h.Gaps,
		}
		if err != nil {
			f.Damaged = err.Error()
		}
		at += f.Size
		frames = append(frames, f)
		return nil
	})
	return frames, err
}

// Lines yields the lines that an object holds of a log, in order, until yield returns false.
func (r *Reader) Lines(ctx context.Context, object Object, log archive.LogID, yield func(archive.Line) bool) error {
	logs := object.logs(log)
	if len(logs) == 0 {
		return fmt.Errorf("%s: pod %s, container %s, restart %d: %w", object.Key, log.Pod, log.Container, log.Restart, ErrNoSuchLog)
	}
	more := true
	visit := func(b []byte, _ *format.Head, err error) error {
		if err == nil && more {
			var f *format.Frame
			if f, _, err = r.codec.Decode(b); err == nil {
				err = f.Lines(func(line archive.Line) bool { more = yield(line); return more })
			}
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", object.Key, err)
		}
		return nil
	}
	for _, l := range logs {
		for _, run := range l.Frames {
			if err := r.walk(ctx, object.Key, run, visit); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// logs returns the entries of one log. A log of which much is new can have several in one object.
func (o *Object) logs(log archive.LogID) (logs []format.JournalLog) {
	if o.Index == nil {
		return nil
	}
	for _, p := range o.Index.Pods {
		for _, l := range p.Logs {
			if l.Instance(p.PodRef).ID() == log {
				logs = append(logs, l)
			}
		}
	}
	return logs
}

// walk visits the frames of a run. A frame whose end cannot be told is the last one, and has no bytes.
func (r *Reader) walk(ctx context.Context, key archive.Key, run format.JournalFrames, visit func(b []byte, h *format.Head, err error) error) error {
	body, _, err := format.Open(ctx, r.store, key, archive.Range{Offset: run.Offset, Length: run.Size})
	if err != nil {
		return fmt.Errorf("read journal %s: %w", key, err)
	}
	defer body.Close()
	in := bufio.NewReaderSize(io.LimitReader(body, run.Size), 64<<10)
	for left := run.Size; left > 0; {
		b, err := format.ReadFrameBytes(in, left)
		if err != nil && !errors.Is(err, archive.ErrDamaged) {
			return fmt.Errorf("read journal %s: %w", key, err)
		}
		if err != nil {
			return visit(nil, &format.Head{}, err)
		}
		left -= int64(len(b))
		h, err := format.CheckFrame(b)
		if err := visit(b, &h, err); err != nil {
			return err
		}
	}
	return nil
}
