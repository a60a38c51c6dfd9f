package read

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// heldText is a holding of such a log.
type heldText struct{ *find.Journaled }

func (t heldText) Close() {}

func (t heldText) Sections() []format.Section {
	all := make([]format.Section, len(t.Runs))
	for n, run := range t.Runs {
		all[n] = format.Section{FirstLine: run.FirstLine, Lines: run.Lines, Offset: run.TextOffset, Bytes: run.Bytes}
	}
	return all
}

func (t heldText) Frames(ctx context.Context, numbers []int) iter.Seq2[format.Piece, error] {
	return func(yield func(format.Piece, error) bool) {
		for _, n := range numbers {
			if !t.run(ctx, n, yield) {
				return
			}
		}
	}
}

// run gives the frames of one run as they come from the store.
func (t heldText) run(ctx context.Context, n int, yield func(format.Piece, error) bool) bool {
	run := &t.Runs[n]
	if run.Lost > 0 {
		err := fmt.Errorf("the journal object that held them is damaged or gone: %w", archive.ErrDamaged)
		if !yield(format.Piece{}, t.damage(run, -1, run.FirstLine-run.Lost, run.Lost, err)) {
			return false
		}
	}
	body, _, err := format.Open(ctx, t.Reader.Cfg.Store, run.Key, archive.Range{Offset: run.Offset, Length: run.Size})
	if err != nil {
		yield(format.Piece{}, fmt.Errorf("read %s: %w", run.Key, err))
		return false
	}
	defer body.Close()
	next, left, offset := run.FirstLine, run.Size, run.TextOffset
	for frame := 0; left > 0; frame++ {
		b, err := format.ReadFrameBytes(body, left)
		if err == nil {
			left -= int64(len(b))
			f, h, damaged := t.Reader.Cfg.Codec.Decode(b)
			if err = damaged; err == nil {
				next = h.FirstLine + h.Lines
				if !yield(format.Piece{Frame: f, Offset: offset}, nil) {
					return false
				}
				if offset >= 0 {
					offset += h.RawSize
				}
				continue
			}
		}
		if !errors.Is(err, archive.ErrDamaged) {
			yield(format.Piece{}, fmt.Errorf("read %s: %w", run.Key, err))
			return false
		}
		return yield(format.Piece{}, t.damage(run, frame, next, run.FirstLine+run.Lines-next, err))
	}
	return true
}

func (t heldText) damage(run *find.Run, frame int, after, lines int64, err error) error {
	return &archive.DamageError{Instance: *t.Instance, Key: run.Key, Frame: frame, AfterLine: after, Lines: lines, Err: err}
}
