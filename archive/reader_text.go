package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// journalText is a log as a replica's journal holds it.
type journalText struct {
	reader   *Finder
	instance *Instance
	runs     []textRun
	lines    int64
	bytes    int64 // -1: not known
	ended    bool
	replica  string
}

// textRun is a run of frames in a journal object.
type textRun struct {
	key Key
	JournalFrames
	offset int64 // of its text; -1: not known
	lost   int64 // lines before it that no object holds
}

func (r *Finder) text(p *textPod, c *chain) *journalText {
	t := &journalText{reader: r, instance: &c.instance, ended: c.ended, replica: p.replica}
	for _, run := range c.runs {
		if run.FirstLine != t.lines {
			t.bytes = -1 // lines are missing, or come twice
		}
		if run.Lines > 0 {
			t.runs = append(t.runs, textRun{p.objects[run.object], run.JournalFrames, t.bytes, max(0, run.FirstLine-t.lines)})
		}
		t.lines = max(t.lines, run.FirstLine+run.Lines)
		if t.bytes >= 0 {
			t.bytes += run.Bytes
		}
	}
	return t
}

// heldText is a holding of such a log.
type heldText struct{ *journalText }

func (t heldText) close() {}

func (t heldText) sections() []section {
	all := make([]section, len(t.runs))
	for n, run := range t.runs {
		all[n] = section{FirstLine: run.FirstLine, Lines: run.Lines, Offset: run.offset, Bytes: run.Bytes}
	}
	return all
}

func (t heldText) frames(ctx context.Context, numbers []int) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		for _, n := range numbers {
			if !t.run(ctx, n, yield) {
				return
			}
		}
	}
}

// run gives the frames of one run as they come from the store.
func (t heldText) run(ctx context.Context, n int, yield func(piece, error) bool) bool {
	run := &t.runs[n]
	if run.lost > 0 {
		err := fmt.Errorf("the journal object that held them is damaged or gone: %w", ErrDamaged)
		if !yield(piece{}, t.damage(run, -1, run.FirstLine-run.lost, run.lost, err)) {
			return false
		}
	}
	body, _, err := open(ctx, t.reader.cfg.Store, run.key, Range{Offset: run.Offset, Length: run.Size})
	if err != nil {
		yield(piece{}, fmt.Errorf("read %s: %w", run.key, err))
		return false
	}
	defer body.Close()
	next, left, offset := run.FirstLine, run.Size, run.offset
	for frame := 0; left > 0; frame++ {
		b, err := readFrameBytes(body, left)
		if err == nil {
			left -= int64(len(b))
			f, h, damaged := t.reader.cfg.Codec.decode(b)
			if err = damaged; err == nil {
				next = h.FirstLine + h.Lines
				if !yield(piece{f, offset}, nil) {
					return false
				}
				if offset >= 0 {
					offset += h.RawSize
				}
				continue
			}
		}
		if !errors.Is(err, ErrDamaged) {
			yield(piece{}, fmt.Errorf("read %s: %w", run.key, err))
			return false
		}
		return yield(piece{}, t.damage(run, frame, next, run.FirstLine+run.Lines-next, err))
	}
	return true
}

func (t heldText) damage(run *textRun, frame int, after, lines int64, err error) error {
	return &DamageError{Instance: *t.instance, Key: run.key, Frame: frame, AfterLine: after, Lines: lines, Err: err}
}
