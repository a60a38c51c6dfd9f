package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// section is a part of a log that is read in one piece: one frame, or frames that lie side by side in a journal object.
type section struct {
	FirstLine, Lines int64 // lines before it and in it
	Offset, Bytes    int64 // of its text; Offset -1: not known
	Low, High        int64 // bounds of the times in it, 0 where no line has one
	timed            bool  // Low and High are known
}

// holding is what some place holds of one log at one moment. It is read by one goroutine.
type holding interface {
	// sections are those that are held, in order.
	sections() []section
	// frames gives the frames of some of the sections, whose numbers ascend. After a *DamageError it goes on behind the
	// damage; any other error is the last thing it gives. A frame is good until the next one is asked for.
	frames(ctx context.Context, numbers []int) iter.Seq2[piece, error]
	// close gives back what is held. No frame is good after it.
	close()
}

// piece is a frame and where its text starts in the log's text; -1: not known.
type piece struct {
	*frame
	offset int64
}

func sectionOf(x *IndexFrame) section {
	return section{x.FirstLine, x.Lines, x.RawOffset, x.RawSize, x.Low, x.High, true}
}

func sectionsOf(frames []IndexFrame) []section {
	all := make([]section, len(frames))
	for n := range frames {
		all[n] = sectionOf(&frames[n])
	}
	return all
}

// sealedLog is a log object.
type sealedLog struct {
	reader   *Reader
	instance *Instance
	key      Key
	index    *Index
}

// The first request for frames is for little, so that a tail costs little; the next ones are for more, so that a whole log
// costs few requests. largestGet bounds what is held in memory.
const (
	smallestGet = 256 << 10
	largestGet  = 1 << 20
)

// sealed opens a log object; size is the bytes of its text, or 0, from which follows how long its index may be.
func (r *Reader) sealed(ctx context.Context, i *Instance, key Key, size int64) (*sealedLog, error) {
	x, err := lookForIndex(ctx, r.cfg.Store, key, likelyIndex(size))
	if errors.Is(err, ErrDamaged) {
		return nil, &DamageError{Instance: *i, Key: key, Frame: -1, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return &sealedLog{reader: r, instance: i, key: key, index: x}, nil
}

// strange is a log object that is not the one that its manifest is of: it was replaced, or cut and mended. What it holds is
// given, behind that word.
type strange struct {
	*sealedLog
	err error
}

// sealedAs opens a log object as the record has it. The index says what its text is, so comparing the two costs nothing.
func (r *Reader) sealedAs(ctx context.Context, i *Instance, record *LogRecord) (holding, *Index, error) {
	o, err := r.sealed(ctx, i, record.Key, record.Bytes)
	if err != nil {
		return nil, nil, err
	}
	s := &o.index.Summary
	if err := record.compare(&LogRecord{Size: o.index.size, Lines: s.Lines, Bytes: s.Bytes, SHA256: s.SHA256}); err != nil {
		return &strange{o, err}, o.index, nil
	}
	return o, o.index, nil
}

func (o *strange) frames(ctx context.Context, numbers []int) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		if yield(piece{}, &DamageError{Instance: *o.instance, Key: o.key, Frame: -1, Err: o.err}) {
			o.sealedLog.frames(ctx, numbers)(yield)
		}
	}
}

// likelyIndex is how much of an object's end holds the index and the seek table of so many bytes of text.
func likelyIndex(text int64) int64 {
	const perFrame, summary = 48, 4 << 10
	return max(firstLook, text/frameTarget*perFrame+summary)
}

func (o *sealedLog) sections() []section { return sectionsOf(o.index.Frames) }

func (o *sealedLog) close() {}

func (o *sealedLog) frames(ctx context.Context, numbers []int) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		if len(numbers) == 0 {
			return
		}
		n := o.batch(numbers, smallestGet)
		first := o.fetch(ctx, numbers[:n])
		for _, n := range first.numbers {
			if !yield(o.decode(first, n)) {
				return
			}
		}
		if first.err != nil {
			yield(piece{}, first.err)
			return
		}
		if numbers = numbers[n:]; len(numbers) == 0 {
			return
		}
		if back, ok := RoomOf(ctx).tryFrame(o.aheadNeeds(numbers)); ok {
			defer back()
			o.ahead(ctx, numbers, yield)
			return
		}
		o.oneByOne(ctx, numbers, yield)
	}
}

// oneByOne gives frames where there is no room to read ahead.
func (o *sealedLog) oneByOne(ctx context.Context, numbers []int, yield func(piece, error) bool) {
	for len(numbers) > 0 {
		n := o.batch(numbers, smallestGet)
		f := o.fetch(ctx, numbers[:n])
		for _, n := range f.numbers {
			if !yield(o.decode(f, n)) {
				return
			}
		}
		if f.err != nil {
			yield(piece{}, f.err)
			return
		}
		numbers = numbers[n:]
	}
}

// batch gives how many of the frames to get in one request: neighbours, or nearly so.
func (o *sealedLog) batch(numbers []int, limit int64) int {
	const hole = 64 << 10 // bytes that nobody needs and that are cheaper read than asked for around
	first := &o.index.Frames[numbers[0]]
	end := first.Offset + first.size()
	for n := 1; n < len(numbers); n++ {
		x := &o.index.Frames[numbers[n]]
		if x.Offset < end || x.Offset-end > hole || x.Offset+x.size()-first.Offset > limit {
			return n
		}
		end = x.Offset + x.size()
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
	f := &fetched{offset: first.Offset, bytes: make([]byte, last.Offset+last.size()-first.Offset)}
	body, _, err := open(ctx, o.reader.cfg.Store, o.key, Range{Offset: f.offset, Length: int64(len(f.bytes))})
	if err == nil {
		_, err = io.ReadFull(body, f.bytes)
		err = closing(body, noEOF(err))
	}
	if err != nil {
		f.err = fmt.Errorf("read %s: %w", o.key, err)
		return f
	}
	f.numbers = numbers
	return f
}

func (o *sealedLog) decode(from *fetched, n int) (piece, error) {
	x := &o.index.Frames[n]
	f, err := o.reader.cfg.Codec.decodePlaced(from.bytes[x.Offset-from.offset:], x)
	if err != nil {
		return piece{}, o.damage(n, err)
	}
	return piece{f, x.RawOffset}, nil
}

func (o *sealedLog) damage(n int, err error) error {
	x := &o.index.Frames[n]
	return &DamageError{
		Instance: *o.instance, Key: o.key, Frame: n, AfterLine: x.FirstLine, Lines: x.Lines, From: x.Low, To: x.High, Err: err,
	}
}

// decodePlaced decodes the frame at the start of b, which must be the one that the index names.
func (c *Codec) decodePlaced(b []byte, place *IndexFrame) (*frame, error) {
	if int64(len(b)) < place.size() {
		return nil, fmt.Errorf("frame at line %d is cut: %w", place.FirstLine, ErrDamaged)
	}
	at, data := place.Parts()
	at, data = at-place.Offset, data-place.Offset
	h, err := decodeHead(b[at : at+place.HeadSize])
	if err != nil {
		return nil, err
	}
	if h.FirstLine != place.FirstLine || h.Lines != place.Lines || h.RawSize != place.RawSize || h.DataSize != place.DataSize || h.DataCRC != place.CRC {
		return nil, fmt.Errorf("not the frame that the index names: %w", ErrDamaged)
	}
	return c.decodeData(&h, b[data:data+place.DataSize])
}
