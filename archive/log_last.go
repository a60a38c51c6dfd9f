package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Last gives the line that was appended last, with a text of its own; ok is false where nothing is held.
func (l *Log) Last() (line Line, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	visit := func(f *frame) error {
		return f.lines(func(got Line) bool {
			line, ok = got, true
			return true
		})
	}
	if l.open != nil {
		err = visit(l.open)
	}
	if err == nil && !ok {
		err = l.eachTail(visit)
	}
	for n := len(l.frames) - 1; err == nil && !ok && n >= 0; n-- {
		err = l.visitFrame(l.frames[n], visit)
	}
	if err != nil {
		return Line{}, false, fmt.Errorf("last line of %s: %w", l.instance, err)
	}
	line.Text = append([]byte(nil), line.Text...)
	return line, ok, nil
}

func (l *Log) visitFrame(x IndexFrame, visit func(*frame) error) error {
	file, err := os.Open(l.path(".log"))
	if err != nil {
		return err
	}
	f, err := l.spool.codec.readFrame(file, x.Offset, x.HeadSize+x.DataSize)
	if err = closing(file, err); err != nil {
		return err
	}
	return visit(f)
}

// Ended says whether End was called, by this process or an earlier one: nothing can be appended any more.
func (l *Log) Ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended != nil
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
