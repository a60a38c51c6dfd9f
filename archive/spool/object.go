package spool

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// maxWhole is up to how much text a log is one frame in its object, so that readers that know of one frame only read it
// whole. A frame of one long line is as large anyway, and whoever wants a part of so little gets the whole in one request.
const maxWhole = 1 << 20

// logObject is the log object of a log that has ended: the frames of .log, each with its data before its head, then the
// index and the seek table. Nothing is written for it: it is .log, read in another order. Stores read parts of it at once,
// in place. What becomes one frame is made in memory.
type logObject struct {
	*io.SectionReader
	File *patient.SpoolFile
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
	o := &order{file: &patient.SpoolFile{File: file}}
	if err := l.arrange(o, x); err != nil {
		return nil, format.Closing(file, fmt.Errorf("open log object of %s: %w", l.instance, err))
	}
	return &logObject{io.NewSectionReader(o, 0, o.size), o.file}, nil
}

func (l *Log) arrange(o *order, x *format.Index) (err error) {
	if len(x.Frames) > 1 && x.Summary.Bytes <= l.spool.whole.Load() && x.Summary.Lines <= format.FrameTarget {
		b, whole, err := l.oneFrame(o.file, x)
		if err == nil {
			o.end, err = format.AppendIndex(b, &format.Index{Summary: x.Summary, Frames: []format.IndexFrame{whole}}, format.DataFirst)
			o.add(inEnd, int64(len(o.end)))
			return err
		}
		// Readers are told which of its frames is damaged.
		l.spool.log.Error("log object is put in the frames that the spool has", "instance", l.instance, "err", err)
	}
	if o.end, err = format.AppendIndex(nil, x, format.DataFirst); err != nil {
		return err
	}
	o.runs = make([]run, 0, 2*len(x.Frames)+1)
	for f := range format.Stored(x.Frames, format.DataFirst) {
		head, data := f.Parts()
		o.add(data, f.DataSize)
		o.add(head, f.HeadSize)
	}
	o.add(inEnd, int64(len(o.end)))
	return nil
}

// oneFrame makes one frame of several and gives its data and its head. The same frames always give the same bytes. Only a
// few are made at once, however many logs are sealed.
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

func (o *logObject) Close() {
	o.File.File.Close() // it was only read
}

// order is a file in another order, with an end that is in memory.
type order struct {
	file *patient.SpoolFile
	end  []byte
	runs []run // in order, without holes
	size int64
}

// run is bytes that lie side by side, up to where the next one starts.
type run struct {
	at   int64 // in what is read
	from int64 // in the file, or inEnd
}

const inEnd = -1

func (o *order) add(from, size int64) {
	if size > 0 {
		o.runs = append(o.runs, run{o.size, from})
		o.size += size
	}
}

// ReadAt is io.ReaderAt's. A file that is shorter than it was is an error: half an object must not count as a whole one.
func (o *order) ReadAt(p []byte, at int64) (n int, err error) {
	next := sort.Search(len(o.runs), func(i int) bool { return o.runs[i].at > at })
	for ; n < len(p) && at < o.size && err == nil; next++ {
		end := o.size
		if next < len(o.runs) {
			end = o.runs[next].at
		}
		part := p[n:min(int64(len(p)), int64(n)+end-at)]
		if r := o.runs[next-1]; r.from == inEnd {
			copy(part, o.end[at-r.at:])
		} else {
			part, err = o.readFile(part, r.from+at-r.at)
		}
		n += len(part)
		at += int64(len(part))
	}
	if n < len(p) && err == nil {
		err = io.EOF
	}
	return n, err
}

func (o *order) readFile(p []byte, at int64) ([]byte, error) {
	n, err := o.file.ReadAt(p, at)
	if n == len(p) {
		return p, nil
	}
	_, err = o.file.Note(n, format.NoEOF(err))
	return p[:n], err
}
