package spool

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// maxWhole is up to how much text a log is one frame in its object, so that readers that know of one frame only read it
// whole. A frame of one long line is as large anyway, and whoever wants a part of so little gets the whole in one
// request.
const maxWhole = 1 << 20

// logObject is the log object of a log that has ended: the frames of .log, each with its data before its head, then the
// index and the seek table. Nothing is written for it: it is .log, read in another order. Stores read parts of it at
// once, in place. What becomes one frame is made in memory.
type logObject struct {
	*io.SectionReader
	file *patient.SpoolFile
}

// Object opens the log object. Only after End. Whoever has it closes it.
func (l *Log) Object() (*logObject, error) {
	l.mu.Lock()
	x := &format.Index{Summary: l.stat, Frames: l.frames} // they do not change any more
	l.mu.Unlock()
	file, err := os.Open(l.path(".log"))
	if err != nil {
		return nil, fmt.Errorf("open log object of %s: %w", l.instance, err)
	}
	o := &patient.Order{File: &patient.SpoolFile{File: file}}
	if err := l.arrange(o, x); err != nil {
		return nil, format.Closing(file, fmt.Errorf("open log object of %s: %w", l.instance, err))
	}
	return &logObject{io.NewSectionReader(o, 0, o.Size), o.File}, nil
}

func (l *Log) arrange(o *patient.Order, x *format.Index) (err error) {
	if len(x.Frames) > 1 && x.Summary.Bytes <= l.spool.whole.Load() && x.Summary.Lines <= format.FrameTarget {
		b, whole, err := l.oneFrame(o.File, x)
		if err == nil {
			o.End, err = format.AppendIndex(b, &format.Index{Summary: x.Summary, Frames: []format.IndexFrame{whole}}, format.DataFirst)
			o.Add(patient.InEnd, int64(len(o.End)))
			return err
		}
		// Readers are told which of its frames is damaged.
		l.spool.log.Error("log object is put in the frames that the spool has", "instance", l.instance, "err", err)
	}
	if o.End, err = format.AppendIndex(nil, x, format.DataFirst); err != nil {
		return err
	}
	o.Grow(2*len(x.Frames) + 1)
	for f := range format.Stored(x.Frames, format.DataFirst) {
		head, data := f.Parts()
		o.Add(data, f.DataSize)
		o.Add(head, f.HeadSize)
	}
	o.Add(patient.InEnd, int64(len(o.End)))
	return nil
}

// oneFrame makes one frame of several and returns its data and its head. The same frames always give the same bytes.
// Only a few are made at once, however many logs are sealed.
func (l *Log) oneFrame(r io.ReaderAt, x *format.Index) ([]byte, format.IndexFrame, error) {
	l.spool.hands <- struct{}{}
	defer func() { <-l.spool.hands }()
	all := &format.Frame{Text: make([]byte, 0, x.Summary.Bytes), Times: make([]int64, 0, x.Summary.Lines)}
	for n, place := range x.Frames {
		f, err := l.spool.Codec.ReadFrame(r, place.Offset, place.Size())
		if err == nil {
			err = all.Append(f)
		}
		if err != nil {
			return nil, format.IndexFrame{}, fmt.Errorf("read frame %d: %w", n, err)
		}
	}
	b, h, err := l.spool.Codec.Encode(nil, all)
	if err != nil {
		return nil, format.IndexFrame{}, err
	}
	return slices.Concat(b[h.Size:], b[:h.Size]), h.Place(), nil
}

// Failed returns the error of the disk, nil where it did not fail.
func (o *logObject) Failed() error { return o.file.Failed() }

// Close is io.Closer's.
func (o *logObject) Close() error { return o.file.File.Close() }
