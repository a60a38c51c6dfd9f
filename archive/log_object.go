package archive

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
)

// maxWhole is up to how much text a log is one frame in its object, so that readers that know of one frame only read it
// whole. A frame of one long line is as large anyway, and whoever wants a part of so little gets the whole in one request.
const maxWhole = 1 << 20

// logObject is the log object of a log that has ended: the frames of .log, each with its data before its head, then the
// index and the seek table. Nothing is written for it: it is .log, read in another order. Stores read parts of it at once,
// in place. What becomes one frame is made in memory.
type logObject struct {
	*io.SectionReader
	file *spoolFile
}

// object opens the log object. Only after End. Whoever has it closes it.
func (l *Log) object() (*logObject, error) {
	l.mu.Lock()
	x := &Index{Summary: l.stat, Frames: l.frames} // they do not change any more
	l.mu.Unlock()
	file, err := os.Open(l.path(".log"))
	if err != nil {
		return nil, fmt.Errorf("open log object of %s: %w", l.instance, err)
	}
	o := &order{file: &spoolFile{file: file}}
	if err := l.arrange(o, x); err != nil {
		return nil, closing(file, fmt.Errorf("open log object of %s: %w", l.instance, err))
	}
	return &logObject{io.NewSectionReader(o, 0, o.size), o.file}, nil
}

func (l *Log) arrange(o *order, x *Index) (err error) {
	if len(x.Frames) > 1 && x.Summary.Bytes <= l.spool.whole.Load() && x.Summary.Lines <= frameTarget {
		b, whole, err := l.oneFrame(o.file, x)
		if err == nil {
			o.end, err = appendIndex(b, &Index{Summary: x.Summary, Frames: []IndexFrame{whole}}, dataFirst)
			o.add(inEnd, int64(len(o.end)))
			return err
		}
		// Readers are told which of its frames is damaged.
		l.spool.log.Error("log object is put in the frames that the spool has", "instance", l.instance, "err", err)
	}
	if o.end, err = appendIndex(nil, x, dataFirst); err != nil {
		return err
	}
	o.runs = make([]run, 0, 2*len(x.Frames)+1)
	for f := range stored(x.Frames, dataFirst) {
		head, data := f.Parts()
		o.add(data, f.DataSize)
		o.add(head, f.HeadSize)
	}
	o.add(inEnd, int64(len(o.end)))
	return nil
}

// oneFrame makes one frame of several and gives its data and its head. The same frames always give the same bytes. Only a
// few are made at once, however many logs are sealed.
func (l *Log) oneFrame(r io.ReaderAt, x *Index) ([]byte, IndexFrame, error) {
	l.spool.hands <- struct{}{}
	defer func() { <-l.spool.hands }()
	all := &frame{text: make([]byte, 0, x.Summary.Bytes), times: make([]int64, 0, x.Summary.Lines)}
	for n, place := range x.Frames {
		f, err := l.spool.codec.readFrame(r, place.Offset, place.size())
		if err == nil {
			err = all.append(f)
		}
		if err != nil {
			return nil, IndexFrame{}, fmt.Errorf("read frame %d: %w", n, err)
		}
	}
	b, h, err := l.spool.codec.encode(nil, all)
	if err != nil {
		return nil, IndexFrame{}, err
	}
	return slices.Concat(b[h.size:], b[:h.size]), h.place(), nil
}

func (o *logObject) close() {
	o.file.file.Close() // it was only read
}

// order is a file in another order, with an end that is in memory.
type order struct {
	file *spoolFile
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
	_, err = o.file.note(n, noEOF(err))
	return p[:n], err
}
