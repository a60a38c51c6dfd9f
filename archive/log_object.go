package archive

import (
	"fmt"
	"io"
	"os"
	"sort"
)

// logObject is the log object of a log that has ended: the frames of .log, each with its data before its head, then the index and
// the seek table. Nothing is compressed or written for it: it is .log, read in another order. Stores read parts of it at once, in place.
type logObject struct {
	*io.SectionReader
	file *spoolFile
}

// object opens the log object. Only after End. Whoever has it closes it.
func (l *Log) object() (*logObject, error) {
	l.mu.Lock()
	x := &Index{Summary: l.stat, Frames: l.frames} // they do not change any more
	l.mu.Unlock()
	end, err := appendIndex(nil, x, dataFirst)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(l.path(".log"))
	if err != nil {
		return nil, fmt.Errorf("open log object of %s: %w", l.instance, err)
	}
	o := &order{file: &spoolFile{file: file}, end: end, runs: make([]run, 0, 2*len(x.Frames)+1)}
	for f := range stored(x.Frames, dataFirst) {
		head, data := f.parts()
		o.add(data, f.DataSize)
		o.add(head, f.HeadSize)
	}
	o.add(inEnd, int64(len(end)))
	return &logObject{io.NewSectionReader(o, 0, o.size), o.file}, nil
}

func (o *logObject) Close() error { return o.file.file.Close() }

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
