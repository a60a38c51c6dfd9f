package kubelet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// event is what a follower hears of the log's folder.
type event int

const (
	eventChange event = iota // something was written, renamed, or it is time for the forced check
	eventCreate              // the current file was made anew
)

// watch is one follower's watch on the log's folder. Its queue keeps the order of changes and creations; changes that
// follow each other are one, as the kernel merges them.
type watch struct {
	events []event // guarded by the instance's mu
	signal chan struct{}

	waiting bool // the follower has nothing to do; guarded by the instance's mu
}

// errWatchLimit is the text that a follower gets where the node has no inotify instance left.
var errWatchLimit = errors.New("failed to create fsnotify watcher: too many open files")

// notify puts an event in every watch's queue. The caller holds mu.
func (i *Instance) notify(e event) {
	for w := range i.watches {
		if n := len(w.events); e == eventChange && n > 0 && w.events[n-1] == eventChange {
			continue
		}
		w.events = append(w.events, e)
		select {
		case w.signal <- struct{}{}:
		default: // it is awake already
		}
	}
}

func (i *Instance) addWatch() (*watch, error) {
	if err := i.pod.kubelet.takeWatch(); err != nil {
		return nil, err
	}
	w := &watch{signal: make(chan struct{}, 1)}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.watches[w] = struct{}{}
	return w, nil
}

func (i *Instance) dropWatch(w *watch) {
	i.mu.Lock()
	delete(i.watches, w)
	i.mu.Unlock()
	i.pod.kubelet.giveWatch()
}

// running reports whether the runtime still has the container's process. The error is the runtime's, as it reaches the
// reader of a log.
func (i *Instance) running() (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.removed {
		id := strings.TrimPrefix(i.id, scheme)
		return false, fmt.Errorf("rpc error: code = NotFound desc = an error occurred when try to find container %q: not found", id)
	}
	return !i.ended, nil
}

// wait blocks until the folder changes. found is false when the container has ended: read on to the end of the file
// and stop. recreated asks for the current file to be opened anew.
func (i *Instance) wait(ctx context.Context, w *watch) (found, recreated bool, err error) {
	if running, err := i.running(); !running {
		return false, false, err
	}
	for {
		if e, ok := i.next(w); ok {
			return true, e == eventCreate, nil
		}
		select {
		case <-ctx.Done():
			return false, false, errors.New("context cancelled")
		case <-w.signal:
		}
	}
}

func (i *Instance) next(w *watch) (event, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	w.waiting = len(w.events) == 0
	if w.waiting {
		return 0, false
	}
	e := w.events[0]
	w.events = w.events[1:]
	return e, true
}

// WaitFollowed returns once n followers have read all there is and wait for more. It returns the context's error.
func (i *Instance) WaitFollowed(ctx context.Context, n int) error {
	for tick := time.NewTicker(time.Millisecond); ; {
		if i.waiting() >= n {
			tick.Stop()
			return nil
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return fmt.Errorf("wait for %d followers of %s: %w", n, i.container, ctx.Err())
		case <-tick.C:
		}
	}
}

func (i *Instance) waiting() (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for w := range i.watches {
		if w.waiting && len(w.events) == 0 {
			n++
		}
	}
	return n
}
