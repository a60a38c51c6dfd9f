package watch

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

func (d *drama) begin() {
	if len(d.roles) >= 5 {
		return
	}
	r := &role{pod: d.pod(kubelet.Spec{Restart: corev1.RestartPolicyOnFailure})}
	r.all = append(r.all, r.pod.Start("main"))
	d.report(r.pod)
	d.note("%s starts", r.pod.Name())
	d.roles = append(d.roles, r)
}

// some returns a pod that runs, nil where there is none.
func (d *drama) some() *role {
	for _, n := range d.rand.Perm(len(d.roles)) {
		if r := d.roles[n]; !r.removed && !r.now().Ended() {
			return r
		}
	}
	return nil
}

func (d *drama) write() { d.burst(1+d.rand.IntN(20), 40) }

func (d *drama) flood() { d.burst(200+d.rand.IntN(300), 1000) }

func (d *drama) burst(count, size int) {
	r := d.some()
	if r == nil {
		return
	}
	d.note("%s writes %d lines from %d on", r.pod.Name(), count, d.lines)
	if r.first.IsZero() {
		r.first = time.Now()
	}
	for range count {
		text := fmt.Sprintf("%d %s", d.lines, strings.Repeat("x", d.rand.IntN(size)))
		d.lines++
		d.mu.Lock()
		d.written[text] = time.Now()
		d.mu.Unlock()
		r.now().Write(time.Now(), text)
		if d.rand.IntN(20) == 0 {
			time.Sleep(d.upTo(10 * time.Millisecond))
		}
	}
}

// rotate rotates a log, no more often than the kubelet does.
func (d *drama) rotate() {
	r := d.some()
	if r == nil || r.first.IsZero() {
		return
	}
	if wait := max(watchtest.ReadFirst-time.Since(r.first), watchtest.UsualPace-time.Since(r.rotated)); wait > 0 {
		d.sleep(wait)
	}
	if r.now().Ended() {
		return
	}
	d.note("%s is rotated after line %d", r.pod.Name(), d.lines)
	r.rotated = time.Now()
	r.now().Rotate()
}

func (d *drama) streams() {
	d.note("streams are cut")
	d.troubled(time.Now()) // what was on its way in them counts as served
	d.k.KillStreams()
}

// again has a container fail and start once more.
func (d *drama) again() {
	r := d.some()
	if r == nil || len(r.all) > 2 {
		return
	}
	d.note("%s restarts after line %d", r.pod.Name(), d.lines)
	r.now().Exit(1)
	d.report(r.pod)
	d.pause()
	if !r.removed {
		r.all = append(r.all, r.pod.Start("main"))
		r.first, r.rotated, r.begun = time.Time{}, time.Time{}, time.Now()
		d.report(r.pod)
	}
}

func (d *drama) end() {
	r := d.some()
	if r == nil || d.rand.IntN(3) > 0 {
		return
	}
	d.finish(r)
}

func (d *drama) finish(r *role) {
	d.note("%s ends after line %d", r.pod.Name(), d.lines)
	r.now().Exit(0)
	r.pod.Finish(corev1.PodSucceeded, "", "")
	d.report(r.pod)
}

func (d *drama) delete() {
	r := d.some()
	if r == nil || d.rand.IntN(3) > 0 {
		return
	}
	d.note("%s is deleted after line %d", r.pod.Name(), d.lines)
	d.troubled(time.Now())
	r.removed = true
	d.remove(r.pod)
}

func (d *drama) join() {
	if len(d.hands) >= 4 && len(d.here()) > 0 {
		return
	}
	d.names++
	name := fmt.Sprintf("r-%d", d.names)
	d.note("%s joins", name)
	d.start(name, filepath.Join(d.t.TempDir(), name))
}

// here returns the replicas that are not away. Somebody always is again soon: what comes and goes while nobody watches,
// nobody knows.
func (d *drama) here() []*hand {
	return slices.DeleteFunc(slices.Clone(d.hands), func(h *hand) bool { return h.away })
}

func (d *drama) any() *hand {
	here := d.here()
	if len(here) == 0 {
		return nil
	}
	return here[d.rand.IntN(len(here))]
}

func (d *drama) leave() {
	if h := d.any(); h != nil && len(d.here()) > 1 {
		d.note("%s leaves", h.name)
		d.crew.leave(h)
	}
}

// die ends a replica and its disk.
func (d *drama) die() {
	h := d.any()
	if h == nil {
		return
	}
	d.note("%s dies", h.name)
	down := d.upTo(5 * time.Second)
	d.troubled(time.Now().Add(down))
	d.kill(h)
	if len(d.here()) == 0 {
		d.sleep(down)
		d.join()
	}
}

// crash ends a replica, which comes back with its disk.
func (d *drama) crash() {
	h := d.any()
	if h == nil {
		return
	}
	d.note("%s crashes", h.name)
	down := d.upTo(5 * time.Second)
	d.troubled(time.Now().Add(down))
	disk := d.kill(h)
	d.sleep(down)
	d.start(h.name, disk)
}

// absent has a replica away for a while: less than a Lease, or more.
func (d *drama) absent(how string, begin, end func(*hand)) {
	h := d.any()
	if h == nil {
		return
	}
	away := []time.Duration{3 * time.Second, 40 * time.Second}[d.rand.IntN(2)]
	if len(d.here()) == 1 {
		away = 3 * time.Second
	}
	d.note("%s %s for %s", h.name, how, away)
	d.troubled(time.Now().Add(away))
	h.away = true
	begin(h)
	d.later(away, func() {
		d.note("%s is back", h.name)
		h.away = false
		d.mu.Lock()
		if away > watchtest.LeaseTime/2 {
			d.returned[h.name] = time.Now()
		}
		d.mu.Unlock()
		end(h)
	})
}

func (d *drama) stand() {
	d.absent("stands still", func(h *hand) { h.process.Shut() }, func(h *hand) { h.process.Open() })
}

func (d *drama) offAPI() {
	d.absent("is cut off from the API server", func(h *hand) { h.api.Cut() }, func(h *hand) { h.api.Open() })
}

func (d *drama) offStore() {
	d.absent("is cut off from the store", func(h *hand) { h.toStore.Cut() }, func(h *hand) { h.toStore.Open() })
}

func (d *drama) storeFault() {
	effect := []storetest.Effect{storetest.NotStored(nil), storetest.Stored(nil)}[d.rand.IntN(2)]
	d.note("the store fails")
	d.trouble = append(d.trouble, window{time.Now().Add(-atRisk), time.Now().Add(20 * time.Second)})
	d.store.Break(storetest.Fault{Op: storetest.OpPut, Times: 1 + d.rand.IntN(2), Effect: effect})
}
