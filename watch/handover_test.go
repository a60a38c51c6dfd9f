package watch

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// mortal is the store of a replica that dies at a request: what it puts is there, and what it gets it still hears.
type mortal struct {
	archive.Store
	dies func(op storetest.Op, key archive.Key) bool // called with mu held
	kill func()                                      // called with mu held
	mu   sync.Mutex
}

// struck reports whether the replica dies at this request. Many may be on their way at once.
func (m *mortal) struck(op storetest.Op, key archive.Key) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dies(op, key) {
		return false
	}
	m.kill()
	return true
}

// Put implements archive.Store.
func (m *mortal) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	err := m.Store.Put(ctx, key, body, opts)
	if m.struck(storetest.OpPut, key) {
		return storetest.ErrDead
	}
	return err
}

// Get implements archive.Store.
func (m *mortal) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	body, object, err := m.Store.Get(ctx, key, r)
	m.struck(storetest.OpGet, key)
	return body, object, err
}

// oldOwner is a with a log that will be b's, of which a journal holds lines that the kubelet serves no more.
func oldOwner(c *crew) (d *doubt, old *hand) {
	old = c.start("a", filepath.Join(c.t.TempDir(), "a"))
	d = &doubt{crew: c, pod: c.podOf("b", "a")}
	d.journaled()
	return d, old
}

// afterwards has a life go on, or not, in which the disk is what was left of it.
var afterwards = map[string]func(c *crew, dead *hand){
	"it never comes back":         func(c *crew, dead *hand) { c.kill(dead) },
	"it comes back with its disk": func(c *crew, dead *hand) { c.start(dead.name, c.kill(dead)) },
	"it comes back without":       func(c *crew, dead *hand) { c.kill(dead); c.start(dead.name, filepath.Join(c.t.TempDir(), "new")) },
}

// TestHandOverDiesAfterTheFlush kills the old owner when what it hands over is in its journal, and in its spool still.
func TestHandOverDiesAfterTheFlush(t *testing.T) {
	for name, then := range afterwards {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, armed, died := newCrew(t), false, false
				c.wrap = func(s archive.Store, h *hand) archive.Store {
					return &mortal{Store: s, dies: func(op storetest.Op, key archive.Key) bool {
						return armed && h.name == "a" && op == storetest.OpPut && inJournal(key)
					}, kill: func() { died = true; h.process.Kill() }}
				}
				d, old := oldOwner(c)
				d.write(10) // so that there is something to flush
				watchtest.Pass(crewFlush / 2)
				armed = true
				d.start("b", filepath.Join(t.TempDir(), "b"))
				watchtest.Pass(time.Second)
				if pods, err := old.watcher.parts.Spool.Pods(); !died || len(pods) != 1 || err != nil {
					t.Fatalf("died %t, and its spool has %v (%v); want it dead with the pod in its spool", died, pods, err)
				}
				armed = false
				then(c, old)
				watchtest.Pass(takesOver)
				d.write(10)
				d.finish()
				d.wantAll(true)
			})
		})
	}
}

// TestHandOverDiesBeforeItIsSaid kills the old owner when what it hands over has left its spool, before its Lease says
// so.
func TestHandOverDiesBeforeItIsSaid(t *testing.T) {
	for name, then := range afterwards {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t)
				d, old := oldOwner(c)
				c.server.SetCut("a", true)
				b := d.start("b", filepath.Join(t.TempDir(), "b"))
				for range 20 {
					if pods, _ := old.watcher.parts.Spool.Pods(); len(pods) == 0 {
						break
					}
					watchtest.Pass(50 * time.Millisecond)
				}
				if podList, err := old.watcher.parts.Spool.Pods(); len(podList) != 0 || err != nil || b.watcher.Owns(jobUID(pods.Ref(d.pod.Object()))) {
					t.Fatalf("spool of a has %v (%v), want nothing, and b waits", podList, err)
				}
				c.server.SetCut("a", false)
				then(c, old)
				d.write(10)
				watchtest.Pass(watchtest.LeaseTime + time.Second)
				if !b.watcher.Owns(jobUID(pods.Ref(d.pod.Object()))) {
					t.Error("b does not act one Lease duration after it joined")
				}
				watchtest.Pass(takesOver)
				d.finish()
				d.wantAll(true)
			})
		})
	}
}

// TestTakeOverDiesBeforeItActs kills the new owner at each answer of the store to its takeover: at the last one
// everything is in its spool, and it has not acted.
func TestTakeOverDiesBeforeItActs(t *testing.T) {
	for name, then := range afterwards {
		for n, last := 1, false; !last; n++ {
			t.Run(fmt.Sprintf("%s, answer %d", name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { last = !takeOverDies(t, n, then) })
			})
			if n > 30 {
				t.Fatal("a takeover of one log takes more than 30 requests")
			}
		}
	}
}

func takeOverDies(t *testing.T, n int, then func(*crew, *hand)) (died bool) {
	c, left := newCrew(t), n
	taken := 0
	c.wrap = func(s archive.Store, h *hand) archive.Store {
		return &mortal{Store: s, dies: func(op storetest.Op, _ archive.Key) bool {
			if died || h.name != "b" || op != storetest.OpGet || h.watcher.Acts() {
				return false
			}
			left--
			return left == 0
		}, kill: func() { died = true; h.process.Kill() }}
	}
	d, old := oldOwner(c)
	c.kill(old)
	b := d.start("b", filepath.Join(t.TempDir(), "b"))
	watchtest.Pass(takesOver)
	if died {
		if pods, err := b.watcher.parts.Spool.Pods(); err == nil {
			taken = len(pods)
		}
		then(c, b)
		if len(c.hands) == 0 {
			d.start("c", filepath.Join(t.TempDir(), "c"))
		}
		watchtest.Pass(takesOver)
	}
	t.Logf("died %t with %d pods in its spool", died, taken)
	d.write(10)
	d.finish()
	d.wantAll(true)
	return died
}

// TestHandedOverAndNotWritten has the log go from a to b to c, where b dies before it has journaled what it took: a
// lives, and what it handed over is in its journal alone.
func TestHandedOverAndNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		c.wrap = func(s archive.Store, h *hand) archive.Store {
			if h.name != "b" {
				return s
			}
			f := &storetest.Faulty{Store: s}
			f.Break(storetest.Fault{Op: storetest.OpPut, Key: "v1/_journal/b/*", Times: -1, Effect: storetest.NotStored(nil)})
			return f
		}
		old := c.start("a", filepath.Join(t.TempDir(), "a"))
		d := &doubt{crew: c, pod: c.podOf("b", "c", "a")}
		d.journaled()
		b := c.start("b", filepath.Join(t.TempDir(), "b"))
		watchtest.Pass(watchtest.LeaseTime)
		c.start("c", filepath.Join(t.TempDir(), "c"))
		watchtest.Pass(watchtest.LeaseTime)
		c.kill(b)
		watchtest.Pass(takesOver)
		d.write(10)
		d.finish()
		d.wantAll(true)
		if !slices.Contains(c.hands, old) {
			t.Error("a is dead")
		}
	})
}
