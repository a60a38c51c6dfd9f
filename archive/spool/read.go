package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// view is what a log held at one moment. Reading it holds nobody up: the lines that may yet move are copies.
type view struct {
	log    *Log
	file   *os.File // .log; nil: none
	frames []format.IndexFrame
	recent []*format.Frame // what no whole frame holds yet
}

func (l *Log) view() (*view, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, archive.ErrGone
	}
	// A full spool or a failing disk is the affair of whoever appends; what they keep in memory is read from there.
	_ = l.settle(l.spool.Reserve)
	recent, err := l.tailFrames()
	if errors.Is(err, archive.ErrDamaged) {
		// Closing the frame writes down what is lost; what is left is in .log then.
		recent, err = nil, l.closeFrame(l.spool.Exceed)
	}
	if err != nil {
		return nil, err
	}
	v := &view{log: l, frames: l.frames, recent: recent}
	if l.handed != nil {
		v.recent = append(v.recent, l.handed.frame.Clone())
	}
	if l.open != nil {
		v.recent = append(v.recent, l.open.Clone())
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

func (v *view) frame(n int) (*format.Frame, error) {
	x := v.frames[n]
	return v.log.spool.Codec.ReadFrame(v.file, x.Offset, x.Size())
}

// Held returns the lines that are held and whose time is not before since, in order, until yield returns false. Lines
// without a time count as those before them. The texts are good until yield returns. What is appended meanwhile does
// not come. Of a log that has left the spool it returns ErrGone.
func (l *Log) Held(since int64, yield func(archive.Line) bool) error {
	err := l.held(&format.Window{Since: since, Yield: yield})
	if err != nil {
		return fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	return nil
}

// HeldFrom returns the first of these lines and all that stand behind it, whatever their times: the place of each one
// is how many are held less those that come after it. Otherwise it is as Held.
func (l *Log) HeldFrom(since int64, yield func(archive.Line) bool) error {
	if err := l.held(&format.Window{Since: since, Yield: yield, Onward: true}); err != nil {
		return fmt.Errorf("read spool of %s: %w", l.instance, err)
	}
	return nil
}

func (l *Log) held(w *format.Window) error {
	v, err := l.view()
	if err != nil {
		return err
	}
	defer v.close()
	for n, x := range v.frames {
		if w.Passes(x.High) {
			continue
		}
		f, err := v.frame(n)
		if err != nil {
			return err
		}
		if err := w.Visit(f); err != nil || w.Done {
			return err
		}
	}
	for _, f := range v.recent {
		if err := w.Visit(f); err != nil || w.Done {
			return err
		}
	}
	return nil
}

// Last returns the line that was appended last, with a text of its own; ok is false where nothing is held.
func (l *Log) Last() (line archive.Line, ok bool, err error) {
	if line, ok, err = l.last(); err != nil {
		return archive.Line{}, false, fmt.Errorf("last line of %s: %w", l.instance, err)
	}
	return line, ok, nil
}

func (l *Log) last() (line archive.Line, ok bool, err error) {
	v, err := l.view()
	if err != nil {
		return archive.Line{}, false, err
	}
	defer v.close()
	for n := len(v.frames) + len(v.recent) - 1; n >= 0 && !ok && err == nil; n-- {
		var f *format.Frame
		if n >= len(v.frames) {
			f = v.recent[n-len(v.frames)]
		} else if f, err = v.frame(n); err != nil {
			break
		}
		err = f.Lines(func(got archive.Line) bool {
			line, ok = got, true
			return true
		})
	}
	line.Text = bytes.Clone(line.Text)
	return line, ok, err
}

// Record returns what the sealer wrote down of the log when its object was in the store; ok is false before that.
func (l *Log) Record() (r archive.InstanceRecord, ok bool, err error) {
	err = disk.ReadJSON(l.path(SealedExt), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return archive.InstanceRecord{}, false, nil
	}
	if err != nil {
		return archive.InstanceRecord{}, false, fmt.Errorf("read record of %s: %w", l.instance, err)
	}
	return r, true, nil
}

// Has reports whether the line is held: its time and its bytes. It is cheap for a line that is not older than those
// which came since the last flush, so that it may be asked for every line that comes out of order.
func (l *Log) Has(line archive.Line) (bool, error) {
	if recent, sure := l.hasOpen(line); sure {
		return recent, nil
	}
	found := false
	err := l.Held(line.Time, func(have archive.Line) bool {
		found = have.Time == line.Time && have.Partial == line.Partial && bytes.Equal(have.Text, line.Text)
		return !found
	})
	return found, err
}

// hasOpen looks at the lines in memory. sure: no older line need be looked at.
func (l *Log) hasOpen(line archive.Line) (found, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return false, false
	}
	older, same := false, false
	for _, t := range l.open.Times {
		older = older || t < line.Time
		same = same || t == line.Time
	}
	if same {
		// The frame is whole, for it was made by add: its lines cannot give an error.
		_ = l.open.Lines(func(have archive.Line) bool {
			found = have.Time == line.Time && have.Partial == line.Partial && bytes.Equal(have.Text, line.Text)
			return !found
		})
	}
	return found, found || older
}
