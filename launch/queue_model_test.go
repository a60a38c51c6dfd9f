package launch

import (
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/epilogue-dev/epilogue/watch/pods"
)

var seeds = flag.Int("queue-seeds", 300, "how many lives of a queue TestQueueHoldsItsPromises tries")

// Two replicas that may both believe that they own the queue, or neither; daemons that are killed at any moment;
// requests that are lost, late, or answered by an error although they were carried out; caches that are behind; people
// who cancel. Never too many run, none runs twice, each starts in its turn, and in the end all have ended. The world
// checks each write.
func TestQueueHoldsItsPromises(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { oneLife(t, seed) })
		})
	}
}

func oneLife(t *testing.T, seed uint64) {
	limits := Limits{Total: 1 + int(seed%3), Queued: 100}
	if seed%2 == 1 {
		limits.ByKind = map[Kind]int{Builder: 1}
	}
	w := newWorld(t, seed, limits)
	var owner atomic.Int32 // bits: which replicas own the queue
	owns := func(n int) func() bool { return func() bool { return owner.Load()&(1<<n) != 0 } }
	owner.Store(1)
	replicas := []*replica{w.join(owns(0)), w.join(owns(1))}
	wanted := map[string]bool{} // not cancelled
	builder := ""
	for n := range 30 {
		w.pause(3000)
		kind := Runner
		if w.chance(4) {
			kind = Builder
		}
		atOnce, waitsFor := w.chance(2), ""
		if kind == Runner && builder != "" && w.chance(2) {
			waitsFor = builder
		}
		name := w.submit(n, kind, waitsFor, atOnce)
		wanted[name] = waitsFor == ""
		if kind == Builder {
			builder = name
		}
		if !atOnce && w.chance(8) {
			wanted[name] = false // its caller was cut off, and does not come again
		} else if !atOnce {
			go func() { w.pauseThen(2000, func() { w.note(name, preparedAt, "true") }) }()
		}
		if w.chance(5) {
			wanted[name] = false
			go func() { w.pauseThen(30_000, func() { w.note(name, cancelled, "on request") }) }()
		}
		if w.chance(5) {
			go func() { w.pauseThen(5000, func() { w.note(name, "somebody.example.com/else", "writes too") }) }()
		}
		if w.chance(4) {
			owner.Store(int32(w.number(4)))
		}
		if w.chance(4) {
			i := w.number(2)
			replicas[i].leave()
			replicas[i] = w.join(owns(i))
		}
	}
	w.mu.Lock()
	w.trouble = false
	w.mu.Unlock()
	owner.Store(int32(1 + w.number(3)))
	time.Sleep(2 * time.Hour) // of the bubble
	for _, r := range replicas {
		r.leave()
	}
	w.checkEnd(wanted)
}

func (w *world) pauseThen(most int, do func()) {
	w.pause(most)
	do()
}

func (w *world) checkEnd(wanted map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, job := range w.jobs {
		switch end := pods.Outcome(job); {
		case end == "":
			w.t.Errorf("%s has not ended: %+v %+v %+v", name, job.Annotations, job.Spec, job.Status)
		case wanted[name] && (end != batchv1.JobComplete || w.starts[name] != 1):
			w.t.Errorf("%s: got end %s after %d starts, want Complete after 1", name, end, w.starts[name])
		case w.starts[name] > 1:
			w.t.Errorf("%s was started %d times", name, w.starts[name])
		}
	}
}
