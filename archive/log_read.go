package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

// view is what a log held at one moment. Reading it holds nobody up: the lines that may yet move are copies.
type view struct {
	log    *Log
	file   *os.File // .log; nil: none
	frames []IndexFrame
	recent []*frame // what no whole frame holds yet
}

func (l *Log) view() (*view, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, ErrGone
	}
	// A full spool or a failing disk is the affair of who appends; what they keep in memory is read from there.
	_ = l.settle(l.spool.reserve)
	recent, err := l.tailFrames()
	if errors.Is(err, ErrDamaged) {
		// Closing the frame writes down what is lost; what is left is in .log then.
		recent, err = nil, l.closeFrame(l.spool.exceed)
	}
	if err != nil {
		return nil, err
	}
	v := &view{log: l, frames: l.frames, recent: recent}
	if l.handed != nil {
		v.recent = append(v.recent, l.handed.frame.clone())
	}
	if l.open != nil {
		v.recent = append(v.recent, l.open.clone())
	}
	if len(v.frames) > 0 {
		if v.file, err = os.Open(l.path(".log")); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *view) close() {
	if v.file != nil {
		v.file.Close() // it was only read
	}
}

func (v *view) frame(n int) (*frame, error) {
	x := v.frames[n]
	return v.log.spool.codec.readFrame(v.file, x.Offset, x.size())
}

func (c *Codec) readFrame(r io.ReaderAt, at, size int64) (*frame, error) {
	b := make([]byte, size)
	if _, err := r.ReadAt(b, at); err != nil {
		return nil, err
	}
	f, _, err := c.decode(b)
	return f, err
}

// window picks lines by their time. A line without one counts as those before it.
type window struct {
	since, at int64
	yield     func(Line) bool
	onward    bool // all behind the first one, too
	done      bool
}

func (w *window) visit(f *frame) error {
	return f.lines(func(line Line) bool {
		if line.Time != 0 {
			w.at = line.Time
		}
		in := w.at >= w.since
		if in && w.onward {
			w.since = math.MinInt64
		}
		w.done = in && !w.yield(line)
		return !w.done
	})
}

// passes says that no line of a frame with the given latest time can be in the window.
func (w *window) passes(high int64) bool {
	if high == 0 {
		return w.at < w.since
	}
	if high < w.since {
		w.at = high
		return true
	}
	return false
}

// Held gives the lines that are held and whose time is not before since, in order, until yield returns false. Lines
// without a time count as those before them. The texts are good until yield returns. What is appended meanwhile does not
// come. A log that has left the spool gives ErrGone.
func (l *Log) Held(since int64, yield func(Line) bool) error {
	err := l.held(&window{since: since, yield: yield})
	if err != nil {
		return fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	return nil
}

// HeldFrom gives the first of these lines and all that stand behind it, whatever their times: the place of each one is how many are
// held less those that come after it. Otherwise it is as Held.
func (l *Log) HeldFrom(since int64, yield func(Line) bool) error {
	if err := l.held(&window{since: since, yield: yield, onward: true}); err != nil {
		return fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	return nil
}

func (l *Log) held(w *window) error {
	v, err := l.view()
	if err != nil {
		return err
	}
	defer v.close()
	for n, x := range v.frames {
		if w.passes(x.High) {
			continue
		}
		f, err := v.frame(n)
		if err != nil {
			return err
		}
		if err := w.visit(f); err != nil || w.done {
			return err
		}
	}
	for _, f := range v.recent {
		if err := w.visit(f); err != nil || w.done {
			return err
		}
	}
	return nil
}

// Last gives the line that was appended last, with a text of its own; ok is false where nothing is held.
func (l *Log) Last() (line Line, ok bool, err error) {
	if line, ok, err = l.last(); err != nil {
		return Line{}, false, fmt.Errorf("last line of %s: %w", l.instance, err)
	}
	return line, ok, nil
}

func (l *Log) last() (line Line, ok bool, err error) {
	v, err := l.view()
	if err != nil {
		return Line{}, false, err
	}
	defer v.close()
	for n := len(v.frames) + len(v.recent) - 1; n >= 0 && !ok && err == nil; n-- {
		var f *frame
		if n >= len(v.frames) {
			f = v.recent[n-len(v.frames)]
		} else if f, err = v.frame(n); err != nil {
			break
		}
		err = f.lines(func(got Line) bool {
			line, ok = got, true
			return true
		})
	}
	line.Text = bytes.Clone(line.Text)
	return line, ok, err
}

// Record gives what the sealer wrote down of the log when its object was in the store; ok is false before that.
func (l *Log) Record() (r InstanceRecord, ok bool, err error) {
	err = readJSON(l.path(sealedExt), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return InstanceRecord{}, false, nil
	}
	if err != nil {
		return InstanceRecord{}, false, fmt.Errorf("read record of %s: %w", l.instance, err)
	}
	return r, true, nil
}

// Has says whether the line is held: its time and its bytes. It is cheap for a line that is not older than those which came
// since the last flush, so that it may be asked for every line that comes out of order.
func (l *Log) Has(line Line) (bool, error) {
	if recent, sure := l.hasOpen(line); sure {
		return recent, nil
	}
	found := false
	err := l.Held(line.Time, func(have Line) bool {
		found = have.Time == line.Time && have.Partial == line.Partial && bytes.Equal(have.Text, line.Text)
		return !found
	})
	return found, err
}

// hasOpen looks at the lines in memory. sure: no older line need be looked at.
func (l *Log) hasOpen(line Line) (found, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return false, false
	}
	older, same := false, false
	for _, t := range l.open.times {
		older = older || t < line.Time
		same = same || t == line.Time
	}
	if same {
		// The frame is whole, for it was made by add: its lines cannot give an error.
		_ = l.open.lines(func(have Line) bool {
			found = have.Time == line.Time && have.Partial == line.Partial && bytes.Equal(have.Text, line.Text)
			return !found
		})
	}
	return found, found || older
}
