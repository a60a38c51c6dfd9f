package read

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/archive/sieve"
)

// sealedLog is a log object.
type sealedLog struct {
	reader   *Reader
	instance *archive.Instance
	key      archive.Key
	index    *format.Index
}

// sealed opens a log object; size is the bytes of its text, or 0, from which follows how long its index may be.
func (r *Reader) sealed(ctx context.Context, i *archive.Instance, key archive.Key, size int64) (*sealedLog, error) {
	x, err := format.LookForIndex(ctx, r.Cfg.Store, key, likelyIndex(size))
	if errors.Is(err, archive.ErrDamaged) {
		return nil, &archive.DamageError{Instance: *i, Key: key, Frame: -1, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return &sealedLog{reader: r, instance: i, key: key, index: x}, nil
}

// strange is a log object that is not the one that its manifest is of: it was replaced, or cut and mended. What it
// holds is given, behind that word.
type strange struct {
	*sealedLog
	err error
}

// sealedAs opens a log object as the record has it. The index says what its text is, so comparing the two costs
// nothing.
func (r *Reader) sealedAs(ctx context.Context, i *archive.Instance, record *archive.LogRecord) (sieve.Holding, *format.Index, error) {
	o, err := r.sealed(ctx, i, record.Key, record.Bytes)
	if err != nil {
		return nil, nil, err
	}
	s := &o.index.Summary
	if err := record.Compare(&archive.LogRecord{Size: o.index.Size, Lines: s.Lines, Bytes: s.Bytes, SHA256: s.SHA256}); err != nil {
		return &strange{o, err}, o.index, nil
	}
	return o, o.index, nil
}

func (o *strange) Frames(ctx context.Context, numbers []int) iter.Seq2[format.Piece, error] {
	return func(yield func(format.Piece, error) bool) {
		if yield(format.Piece{}, &archive.DamageError{Instance: *o.instance, Key: o.key, Frame: -1, Err: o.err}) {
			o.sealedLog.Frames(ctx, numbers)(yield)
		}
	}
}

// likelyIndex is how much of an object's end holds the index and the seek table of so many bytes of text.
func likelyIndex(text int64) int64 {
	const perFrame, summary = 48, 4 << 10
	return max(format.FirstLook, text/format.FrameTarget*perFrame+summary)
}

func (o *sealedLog) Sections() []format.Section { return format.SectionsOf(o.index.Frames) }

func (o *sealedLog) Close() {}

func (o *sealedLog) Frames(ctx context.Context, numbers []int) iter.Seq2[format.Piece, error] {
	return func(yield func(format.Piece, error) bool) {
		if len(numbers) == 0 {
			return
		}
		n := o.batch(numbers, format.SmallestGet)
		first := o.fetch(ctx, numbers[:n])
		for _, n := range first.numbers {
			if !yield(o.decode(first, n)) {
				return
			}
		}
		if first.err != nil {
			yield(format.Piece{}, first.err)
			return
		}
		if numbers = numbers[n:]; len(numbers) == 0 {
			return
		}
		if back, ok := room.Of(ctx).TryFrame(o.aheadNeeds(numbers)); ok {
			defer back()
			o.ahead(ctx, numbers, yield)
			return
		}
		o.oneByOne(ctx, numbers, yield)
	}
}

// oneByOne gives frames where there is no room to read ahead.
func (o *sealedLog) oneByOne(ctx context.Context, numbers []int, yield func(format.Piece, error) bool) {
	for len(numbers) > 0 {
		n := o.batch(numbers, format.SmallestGet)
		f := o.fetch(ctx, numbers[:n])
		for _, n := range f.numbers {
			if !yield(o.decode(f, n)) {
				return
			}
		}
		if f.err != nil {
			yield(format.Piece{}, f.err)
			return
		}
		numbers = numbers[n:]
	}
}

// batch gives how many of the frames to get in one request: neighbours, or nearly so.
func (o *sealedLog) batch(numbers []int, limit int64) int {
	const hole = 64 << 10 // bytes that nobody needs and that are cheaper read than asked for around
	first := &o.index.Frames[numbers[0]]
	end := first.Offset + first.Size()
	for n := 1; n < len(numbers); n++ {
		x := &o.index.Frames[numbers[n]]
		if x.Offset < end || x.Offset-end > hole || x.Offset+x.Size()-first.Offset > limit {
			return n
		}
		end = x.Offset + x.Size()
	}
	return len(numbers)
}

// fetched is what one request gave: frames as they are stored.
type fetched struct {
	numbers []int
	offset  int64
	bytes   []byte
	err     error // the store's; there are no frames then
}

// fetch gets frames in one request.
func (o *sealedLog) fetch(ctx context.Context, numbers []int) *fetched {
	first, last := &o.index.Frames[numbers[0]], &o.index.Frames[numbers[len(numbers)-1]]
	f := &fetched{offset: first.Offset, bytes: make([]byte, last.Offset+last.Size()-first.Offset)}
	body, _, err := format.Open(ctx, o.reader.Cfg.Store, o.key, archive.Range{Offset: f.offset, Length: int64(len(f.bytes))})
	if err == nil {
		_, err = io.ReadFull(body, f.bytes)
		err = format.Closing(body, format.NoEOF(err))
	}
	if err != nil {
		f.err = fmt.Errorf("read %s: %w", o.key, err)
		return f
	}
	f.numbers = numbers
	return f
}

func (o *sealedLog) decode(from *fetched, n int) (format.Piece, error) {
	x := &o.index.Frames[n]
	f, err := o.reader.Cfg.Codec.DecodePlaced(from.bytes[x.Offset-from.offset:], x)
	if err != nil {
		return format.Piece{}, o.damage(n, err)
	}
	return format.Piece{Frame: f, Offset: x.RawOffset}, nil
}

func (o *sealedLog) damage(n int, err error) error {
	x := &o.index.Frames[n]
	return &archive.DamageError{
		Instance: *o.instance, Key: o.key, Frame: n, AfterLine: x.FirstLine, Lines: x.Lines, From: x.Low, To: x.High, Err: err,
	}
}
