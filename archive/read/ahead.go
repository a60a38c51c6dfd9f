package read

import (
	"context"
	"runtime"
	"sync"

	"github.com/epilogue-dev/epilogue/archive/format"
)

// decoding is a frame on its way to a consumer.
type decoding struct {
	format.Piece
	err  error
	done chan struct{} // closed when the others are set
}

// ahead gives frames of a log object while the next request is under way and the next frames are decoded beside. One
// request and a few frames are held; all goroutines have ended when it returns.
func (o *sealedLog) ahead(ctx context.Context, numbers []int, yield func(format.Piece, error) bool) {
	own, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	requests := make(chan *fetched)
	frames := make(chan *decoding, aheadFrames())
	all.Go(func() {
		defer close(requests)
		o.fetchAhead(own, numbers, requests)
	})
	all.Go(func() {
		defer close(frames)
		o.decodeAhead(own, &all, requests, frames)
	})
	for f := range frames {
		<-f.done
		if !yield(f.Piece, f.err) {
			return
		}
	}
	if err := ctx.Err(); err != nil {
		yield(format.Piece{}, err)
	}
}

// aheadFrames is how many frames are decoded, or are being decoded, before they are asked for.
func aheadFrames() int { return min(2*runtime.GOMAXPROCS(0), 16) }

// aheadNeeds is how much memory it takes to read frames ahead: what came, what is coming, and frames.
func (o *sealedLog) aheadNeeds(numbers []int) int64 {
	var largest int64
	for _, n := range numbers {
		x := format.SectionOf(&o.index.Frames[n])
		largest = max(largest, x.Memory())
	}
	return 2*format.LargestGet + int64(aheadFrames()+1)*largest
}

// fetchAhead makes one request after the other until one fails.
func (o *sealedLog) fetchAhead(ctx context.Context, numbers []int, requests chan<- *fetched) {
	for limit := int64(format.SmallestGet); len(numbers) > 0; {
		limit = min(2*limit, format.LargestGet)
		n := o.batch(numbers, limit)
		f := o.fetch(ctx, numbers[:n])
		select {
		case requests <- f:
		case <-ctx.Done():
			return
		}
		if f.err != nil {
			return
		}
		numbers = numbers[n:]
	}
}

// decodeAhead has frames decoded, as many at once as the channel holds, and gives them in order.
func (o *sealedLog) decodeAhead(ctx context.Context, all *sync.WaitGroup, requests <-chan *fetched, frames chan<- *decoding) {
	give := func(d *decoding) bool {
		select {
		case frames <- d:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for f := range requests {
		for _, n := range f.numbers {
			d := &decoding{done: make(chan struct{})}
			if !give(d) {
				return
			}
			all.Go(func() {
				defer close(d.done)
				d.Piece, d.err = o.decode(f, n)
			})
		}
		if f.err != nil {
			d := &decoding{err: f.err, done: make(chan struct{})}
			close(d.done)
			give(d)
		}
	}
}
