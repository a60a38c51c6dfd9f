package kubelet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// errCut ends an answer by breaking its stream; the API server makes a clean end of it.
var errCut = errors.New("stream cut by the script")

// textError is text that takes the log's place in the body, as the kubelet prints its errors.
type textError string

func (e textError) Error() string { return string(e) }

// Fault is one fault of a script. On picks the requests, Delay and Status come before the first byte, AfterBytes or
// AfterLines say where in the body the rest strikes (both zero: before the first byte of the log), then Hold, and of
// Text, Hang and Cut at most one. With none of them the answer goes on.
//
// A fault that was injected and never fired fails its test, unless Optional.
type Fault struct {
	On       func(Request) bool // nil: every request
	Times    int                // how many requests it hits, 0: all
	Optional bool

	Delay  time.Duration // silence before the status line
	Status int           // answer with this HTTP status, Text as its body, and no log

	AfterBytes int64 // bytes of body served before the fault strikes, may lie inside a line
	AfterLines int   // records served before the fault strikes
	Hold       *Hold // stop there until the script says go on
	Text       string
	Hang       bool // never send another byte, and do not end
	Cut        bool // break the stream

	BytesPerSecond int64 // a slow node

	hits  atomic.Int64
	fired atomic.Int64
}

// Fired returns how many times the fault struck.
func (f *Fault) Fired() int { return int(f.fired.Load()) }

func (f *Fault) fire() { f.fired.Add(1) }

// take reports whether the fault is for this request, and counts it.
func (f *Fault) take(r Request) bool {
	if f.On != nil && !f.On(r) {
		return false
	}
	return f.Times == 0 || f.hits.Add(1) <= int64(f.Times)
}

// OnFollow picks requests that follow.
func OnFollow(r Request) bool { return r.Follow }

// OnRead picks requests that do not follow.
func OnRead(r Request) bool { return !r.Follow }

// Inject makes the kubelet play the fault on requests from now on. Where several faults are for a request, the one
// that was injected first is played.
func (k *Kubelet) Inject(f *Fault) *Fault {
	k.mu.Lock()
	k.faults = append(k.faults, f)
	k.mu.Unlock()
	k.t.Cleanup(func() { checkFired(k.t, f) })
	return f
}

// Inject makes the kubelet play the fault on requests for this container only.
func (i *Instance) Inject(f *Fault) *Fault {
	on := f.On
	f.On = func(r Request) bool {
		mine := r.Namespace == i.pod.namespace && r.Pod == i.pod.name && r.Container == i.container
		return mine && (on == nil || on(r))
	}
	return i.pod.kubelet.Inject(f)
}

// Heal forgets all faults; streams that are under one stay under it.
func (k *Kubelet) Heal() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = nil
}

func checkFired(t testing.TB, f *Fault) {
	if f.Fired() == 0 && !f.Optional && !t.Failed() {
		t.Errorf("the fault %s never fired", f.describe())
	}
}

func (f *Fault) describe() string {
	switch {
	case f.Status != 0:
		return "of an HTTP status"
	case f.Text != "":
		return "of error text"
	case f.Hang:
		return "of a hang"
	case f.Cut:
		return "of a cut"
	case f.Hold != nil:
		return "of a hold"
	case f.BytesPerSecond > 0:
		return "of a slow node"
	}
	return "of a delay"
}

// fault returns the fault for a request, nil for none.
func (k *Kubelet) fault(r Request) *Fault {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range k.faults {
		if f.take(r) {
			return f
		}
	}
	return nil
}

// Hold stops a stream at a point until the script lets it go on. Everything before the point is on the network by then.
type Hold struct {
	reached chan struct{}
	release chan struct{}
	once    sync.Once
	free    sync.Once
}

// NewHold returns a hold that nothing has reached so far.
func NewHold() *Hold {
	return &Hold{reached: make(chan struct{}), release: make(chan struct{})}
}

// Reached is closed when the first stream is at the point.
func (h *Hold) Reached() <-chan struct{} { return h.reached }

// Release lets every stream go on, now and later.
func (h *Hold) Release() { h.free.Do(func() { close(h.release) }) }

func (h *Hold) wait(ctx context.Context) error {
	h.once.Do(func() { close(h.reached) })
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-h.release:
		return nil
	}
}
