package follow

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
)

// errText is what the kubelet wrote into the body of an answer whose status was 200.
type errText struct {
	text string
	line archive.Line // what it stands in, where that has a time: it may be a line of the log after all
}

func (e *errText) Error() string { return "kubelet answered: " + e.text }

// removed: the kubelet said that it has no such log any more. It says so too while it starts, so once is no proof.
func (e *errText) removed() bool {
	return strings.HasPrefix(e.text, "unable to retrieve container logs")
}

// kubeletTexts are the starts of what the kubelet writes into an answer when reading fails in the middle.
var kubeletTexts = []string{
	"unable to retrieve container logs for ", "failed to create fsnotify watcher: ", "failed to open log file ",
	"rpc error: code = ", "failed to try resolving symlinks in path ", "failed to get container status ",
}

// errorIn returns where what may be such a text begins, -1 for nowhere.
func errorIn(text []byte) int {
	for _, start := range kubeletTexts {
		if at := bytes.Index(text, []byte(start)); at >= 0 {
			return at
		}
	}
	return -1
}

// remainder judges what stands after the last newline: text without a time is the kubelet's error or a time that was
// cut, and no part of the log; a line that no newline ended may have been cut too, and stays pending until it comes
// again.
func (f *Follower) remainder(ctx context.Context, a *answer) error {
	line, stamped, ok := f.lines.remainder()
	if !ok {
		return nil
	}
	if !stamped {
		return &errText{text: string(line.Text[:min(len(line.Text), 300)])}
	}
	if a.glued(line) {
		return errHidden
	}
	if f.lines.piece == 0 {
		f.joined = 0
		if err := f.graft(a, line); err != nil {
			return err
		}
	}
	goesOn := false
	if o := f.overlap; o != nil {
		if o.have(line) {
			return nil // a final line without an end that is held already
		}
		if cut, err := f.cutShort(a, line, f.lines.piece); cut || err != nil {
			return err
		}
		if line, goesOn = o.more(line, f.lines.piece); goesOn && len(line.Text) == 0 {
			return nil
		}
		if o.doubts(a) {
			return errHidden
		}
	}
	line = f.place(line)
	if f.overlap != nil && !f.overlap.found {
		if err := f.prove(ctx, a); err != nil {
			return err
		}
	}
	line.Text = append([]byte(nil), line.Text...)
	if at := errorIn(line.Text); at >= 0 {
		return &errText{text: string(line.Text[at:min(len(line.Text), at+300)]), line: line}
	}
	if goesOn { // with what is held, as far as it has come
		if err := f.addEarly(); err != nil {
			return err
		}
		return errors.Join(f.append(), f.appendAlone(line))
	}
	if o := f.overlap; o != nil && f.vouched(line, f.lines.piece) {
		if err := f.addEarly(); err != nil {
			return err
		}
	}
	f.pending, f.piece, f.follows = line, f.lines.piece, f.overlap == nil || f.overlap.found
	return nil
}

// cutShort reports whether a line was cut on its way that is held whole, and was not met yet.
func (f *Follower) cutShort(a *answer, line archive.Line, index int) (cut bool, err error) {
	o := f.overlap
	if o.found || line.Time > o.latest && !a.grafted {
		return false, nil
	}
	j := joiner{emit: func(held archive.Line, at int) {
		cut = cut || at == index && held.Time == line.Time && bytes.HasPrefix(held.Text, line.Text) && o.expects(held)
	}}
	if a.grafted {
		if err := a.seam.held(f.log, line.Time, &j); cut || err != nil {
			return cut, wrapSpool(err)
		}
		j.cut()
	}
	err = f.log.Held(line.Time, func(held archive.Line) bool {
		j.take(held)
		return !cut
	})
	return cut, wrapSpool(err)
}

// lastWords keeps a last line without an end, of which nothing more will be served, as it is.
func (f *Follower) lastWords() error {
	if f.pending.Time == 0 || f.tail.is(f.pending) {
		return nil
	}
	if !f.follows {
		f.unserved(f.pending.Time)
	}
	last := f.pending
	f.pending = archive.Line{}
	return f.appendAlone(last)
}
