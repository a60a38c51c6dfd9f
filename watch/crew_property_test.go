package watch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// crewSeeds is how many schedules are played; EPILOGUE_SEED plays one again.
const crewSeeds = 40

// TestReplicasProperty plays random schedules of lines, rotations, cuts, restarts, deletions and store faults over one
// to four replicas that join, leave, die with and without their disks, stand still past their Leases, and are cut off
// from the API server or from the store. In the end
//
//   - every instance has a record, and the archive holds its lines in order and once, but for what lies inside gaps;
//   - a line is missing only where no stream ever gave it to anyone, or where it was neither durable nor still served
//     when the replica that had it died, and then only near such a time;
//   - every pod is sealed, and no journal object is left.
func TestReplicasProperty(t *testing.T) {
	first, last := watchtest.Seeds(t, crewSeeds)
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &drama{crew: newCrew(t), rand: rand.New(rand.NewPCG(seed, 7)), durable: map[string]bool{}, written: map[string]time.Time{}, returned: map[string]time.Time{}}
				d.crew.wrap = func(s archive.Store, h *hand) archive.Store { return &witness{s, d, h} }
				d.play()
			})
		})
	}
}

// drama is one random run of a crew.
type drama struct {
	*crew
	rand  *rand.Rand
	roles []*role
	lines int
	names int
	dues  []due // what ends later
	said  []string

	mu      sync.Mutex
	durable map[string]bool      // guarded by mu; texts that were put by one whose word counts
	written map[string]time.Time // guarded by mu; by text
	// guarded by mu; when a replica came back, by itself or from its disk after a crash, after others may have taken
	// its logs
	returned map[string]time.Time

	trouble []window
}

// role is one pod of a drama.
type role struct {
	pod     *kubelet.Pod
	all     []*kubelet.Instance
	rotated time.Time
	first   time.Time
	begun   time.Time // when the newest of all began
	removed bool
}

func (r *role) now() *kubelet.Instance { return r.all[len(r.all)-1] }

type due struct {
	at time.Time
	do func()
}

// window is a time in which what was written may be lost.
type window struct{ from, to time.Time }

const (
	// atRisk is how old a line can be and not be durable: journal's interval, spool's flush, and the put's own time.
	atRisk = crewJournal + crewFlush + 2*time.Second
	// takesOver is how long it takes until another one follows: the Lease, half as much again until it is judged, and
	// the wait for the others or the store.
	takesOver = watchtest.LeaseTime*3/2 + takeOverPatience + 10*time.Second
)

func (d *drama) play() {
	d.join()
	for range 1 + d.rand.IntN(3) {
		d.begin()
	}
	for range d.rand.IntN(3) {
		d.join()
	}
	acts := []func(){
		d.write, d.write, d.write, d.write, d.flood, d.flood, d.rotate, d.rotate, d.streams, d.storeFault,
		d.join, d.leave, d.die, d.die, d.crash, d.stand, d.stand, d.offAPI, d.offStore, d.again, d.begin, d.end, d.delete,
	}
	for range 10 + d.rand.IntN(60) {
		acts[d.rand.IntN(len(acts))]()
		d.pause()
	}
	defer func() {
		if d.t.Failed() {
			d.t.Log(strings.Join(d.said, "\n"))
		}
	}()
	d.settle()
	d.judge()
}

func (d *drama) note(format string, args ...any) {
	d.said = append(d.said, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (d *drama) upTo(t time.Duration) time.Duration { return time.Duration(d.rand.Int64N(int64(t))) }

func (d *drama) pause() {
	d.sleep(d.upTo([]time.Duration{100 * time.Millisecond, 3 * time.Second, 30 * time.Second}[d.rand.IntN(3)]))
}

// sleep lets time pass, and has what is due in it happen.
func (d *drama) sleep(t time.Duration) {
	end := time.Now().Add(t)
	for {
		next := -1
		for n := range d.dues {
			if !d.dues[n].at.After(end) && (next < 0 || d.dues[n].at.Before(d.dues[next].at)) {
				next = n
			}
		}
		if next < 0 {
			break
		}
		now := d.dues[next]
		d.dues = slices.Delete(d.dues, next, next+1)
		time.Sleep(time.Until(now.at))
		now.do()
	}
	time.Sleep(time.Until(end))
	synctest.Wait()
}

func (d *drama) later(after time.Duration, do func()) {
	d.dues = append(d.dues, due{time.Now().Add(after), do})
}

// troubled notes a time in which lines may be lost: since what was not durable then, until another one follows.
func (d *drama) troubled(until time.Time) {
	w := window{time.Now().Add(-atRisk), until.Add(takesOver)}
	for _, o := range d.trouble { // who dies in trouble loses what the trouble held up
		if o.to.After(w.from) && o.from.Before(w.from) {
			w.from = o.from
		}
	}
	d.trouble = append(d.trouble, w)
}
