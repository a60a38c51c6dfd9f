package room

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/semaphore"
)

// ErrNoRoom says that the other answers of the same reader hold what it may take in memory. It passes as soon as one of
// them ends.
var ErrNoRoom = errors.New("other answers take all the memory that one reader may take")

// Allowance bounds the memory that the answers of one reader take together, however many it asks for and whatever it
// asks. Of three kinds of memory each has a part of its own, so that none waits for another one:
//
//   - what an answer holds for as long as it lasts is reserved before it begins, and refused where there is no room for
//     it. A reader's only answer is given however large it is: who asks for the logs of ten thousand pods has them,
//     alone;
//   - frames are waited for: whoever has one gives it back when its client has read it, or is cut off;
//   - so is looking for logs and Jobs, which no client holds up.
//
// Safe for concurrent use.
type Allowance struct {
	most   int64 // bytes that may be reserved
	framed int64 // bytes of frames
	frames *semaphore.Weighted
	finds  *semaphore.Weighted // looks

	mu       sync.Mutex
	reserved int64 // guarded by mu
}

// mostFinds is how many looks of one reader are under way at once: each holds the documents of what it finds.
const mostFinds = 4

// NewAllowance makes the allowance of one reader: so many bytes, of which a fourth is for frames and three sixteenths
// for looks.
func NewAllowance(bytes int64) *Allowance {
	framed := bytes / 4
	return &Allowance{most: bytes * 9 / 16, framed: framed, frames: semaphore.NewWeighted(framed), finds: semaphore.NewWeighted(mostFinds)}
}

// Reserved returns the bytes that are reserved, and how many may be.
func (a *Allowance) Reserved() (bytes, most int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reserved, a.most
}

// Room is one answer's part of its reader's allowance. The methods of a nil one bound nothing: it is that of a program
// that reads for itself alone. Owned by whoever reads the answer.
type Room struct {
	of       *Allowance
	reserved int64
}

// Room returns an answer its part; Close takes it back.
func (a *Allowance) Room() *Room { return &Room{of: a} }

// Close gives back all that is reserved. The room may be used again.
func (r *Room) Close() {
	if r == nil {
		return
	}
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.of.reserved -= r.reserved
	r.reserved = 0
}

// Beside returns a further room of the same reader: for what an answer reads on its way and is done with before its
// end.
func (r *Room) Beside() *Room {
	if r == nil {
		return nil
	}
	return r.of.Room()
}

// Reserve takes bytes until Close, or returns ErrNoRoom.
func (r *Room) Reserve(bytes int64) error {
	if r == nil {
		return nil
	}
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if others := r.of.reserved - r.reserved; others > 0 && r.of.reserved+bytes > r.of.most {
		return ErrNoRoom
	}
	r.of.reserved += bytes
	r.reserved += bytes
	return nil
}

// Frame waits for room for frames, to be given back. Who has it waits for no more. Its error is the context's.
func (r *Room) Frame(ctx context.Context, bytes int64) (back func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	bytes = min(bytes, r.of.framed)
	if err := r.of.frames.Acquire(ctx, bytes); err != nil {
		return nil, err
	}
	return func() { r.of.frames.Release(bytes) }, nil
}

// TryFrame is Frame for what can be done without.
func (r *Room) TryFrame(bytes int64) (back func(), ok bool) {
	if r == nil {
		return func() {}, true
	}
	return func() { r.of.frames.Release(bytes) }, r.of.frames.TryAcquire(bytes)
}

// Find waits for a look, to be given back. Its error is the context's.
func (r *Room) Find(ctx context.Context) (back func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	if err := r.of.finds.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { r.of.finds.Release(1) }, nil
}

type roomKey struct{}

// WithRoom has what is read with the context stay within the room.
func WithRoom(ctx context.Context, r *Room) context.Context {
	return context.WithValue(ctx, roomKey{}, r)
}

// Of returns the room that the context has, nil where it has none.
func Of(ctx context.Context) *Room {
	r, _ := ctx.Value(roomKey{}).(*Room)
	return r
}

// What an answer holds besides frames, measured with 500 open logs.
