package patient

import (
	"io"
	"slices"
	"sort"

	"github.com/epilogue-dev/epilogue/archive/format"
)

// Order is a file in another order, with an end that is in memory.
type Order struct {
	File *SpoolFile
	End  []byte
	runs []run // in order, without holes
	Size int64
}

// run is bytes that lie side by side, up to where the next one starts.
type run struct {
	at   int64 // in what is read
	from int64 // in the file, or InEnd
}

// InEnd is where bytes are that are in memory.
const InEnd = -1

// Grow makes room for so many Adds.
func (o *Order) Grow(n int) { o.runs = slices.Grow(o.runs, n) }

// Add appends bytes of the file, or of the end.
func (o *Order) Add(from, size int64) {
	if size > 0 {
		o.runs = append(o.runs, run{o.Size, from})
		o.Size += size
	}
}

// ReadAt is io.ReaderAt's. A file that is shorter than it was is an error: half an object must not count as a whole
// one.
func (o *Order) ReadAt(p []byte, at int64) (n int, err error) {
	next := sort.Search(len(o.runs), func(i int) bool { return o.runs[i].at > at })
	for ; n < len(p) && at < o.Size && err == nil; next++ {
		end := o.Size
		if next < len(o.runs) {
			end = o.runs[next].at
		}
		part := p[n:min(int64(len(p)), int64(n)+end-at)]
		if r := o.runs[next-1]; r.from == InEnd {
			copy(part, o.End[at-r.at:])
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

func (o *Order) readFile(p []byte, at int64) ([]byte, error) {
	n, err := o.File.ReadAt(p, at)
	if n == len(p) {
		return p, nil
	}
	_, err = o.File.note(n, format.NoEOF(err))
	return p[:n], err
}
