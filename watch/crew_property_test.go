package watch

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
)

// crewSeeds is how many schedules are played; EPILOGUE_SEED plays one again.
const crewSeeds = 40

// TestReplicasProperty plays random schedules of lines, rotations, cuts, restarts, deletions and store faults over one to four
// replicas that join, leave, die with and without their disks, stand still past their Leases, and are cut off from the API
// server or from the store. In the end
//
//   - every instance has a record, and the archive holds its lines in order and once, but for what lies inside gaps;
//   - a line is missing only where no stream ever gave it to anyone, or where it was neither durable nor still served when
//     the replica that had it died, and then only near such a time;
//   - every pod is sealed, and no journal object is left.
func TestReplicasProperty(t *testing.T) {
	first, last := seedRange(t, crewSeeds)
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &drama{crew: newCrew(t), rand: rand.New(rand.NewPCG(seed, 7)), durable: map[string]bool{}, written: map[string]time.Time{}}
				d.crew.wrap = func(s archive.Store, h *hand) archive.Store { return &witness{s, d, h} }
				d.play()
			})
		})
	}
}

// drama is one random run of a crew.
type drama struct {
	*crew
	rand   *rand.Rand
	roles  []*role
	lines  int
	names  int
	dues   []due     // what ends later
	cutOff time.Time // until then some replica is away
	said   []string

	mu      sync.Mutex
	durable map[string]bool      // guarded by mu; texts that were put by one whose word counts
	written map[string]time.Time // guarded by mu; by text

	trouble []window
}

// role is one pod of a drama.
type role struct {
	pod     *kubelet.Pod
	all     []*kubelet.Instance
	rotated time.Time
	first   time.Time
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
	// takesOver is how long it takes until another one follows: the Lease, half as much again until it is judged, and the wait
	// for the others or the store.
	takesOver = leaseTime*3/2 + takeOverPatience + 10*time.Second
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

// some gives a pod that runs, nil where there is none.
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
	if wait := max(2*promptly-time.Since(r.first), rotateLeast-time.Since(r.rotated)); wait > 0 {
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
		r.first, r.rotated = time.Time{}, time.Time{}
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
	if len(d.hands) >= 4 || d.away() {
		return
	}
	d.names++
	name := fmt.Sprintf("r-%d", d.names)
	d.note("%s joins", name)
	d.start(name, filepath.Join(d.t.TempDir(), name))
}

// away: a replica is away. What another one cannot take over then, because the store is out of its reach, is read without.
func (d *drama) away() bool { return time.Now().Before(d.cutOff) }

func (d *drama) any() *hand {
	if len(d.hands) == 0 || d.away() {
		return nil
	}
	return d.hands[d.rand.IntN(len(d.hands))]
}

func (d *drama) leave() {
	if h := d.any(); h != nil && len(d.hands) > 1 {
		d.note("%s leaves", h.name)
		d.crew.leave(h)
	}
}

// die ends a replica and its disk. Somebody is always there again soon.
func (d *drama) die() {
	h := d.any()
	if h == nil {
		return
	}
	d.note("%s dies", h.name)
	down := d.upTo(5 * time.Second)
	d.troubled(time.Now().Add(down))
	d.kill(h)
	if len(d.hands) == 0 {
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
	d.note("%s %s for %s", h.name, how, away)
	d.troubled(time.Now().Add(away))
	d.cutOff = time.Now().Add(away + takesOver)
	begin(h)
	d.later(away, func() {
		d.note("%s is back", h.name)
		d.mu.Lock()
		if away > leaseTime/2 {
			h.returned = time.Now()
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

// settle ends all trouble and all pods.
func (d *drama) settle() {
	d.sleep(time.Minute)
	d.store.Mend()
	for _, r := range d.roles {
		if !r.removed && !r.now().Ended() {
			d.finish(r)
		}
	}
	d.sleep(d.upTo(time.Minute))
}

// judge waits for the end of everything and holds it against what was written.
func (d *drama) judge() {
	for _, r := range d.roles {
		m := d.sealed(r.pod)
		for _, i := range r.all {
			d.judgeInstance(r, m, i)
		}
	}
	for range 12 {
		if !slices.ContainsFunc(d.memory.Keys(), inJournal) {
			break
		}
		time.Sleep(collectEvery)
	}
	for _, key := range d.memory.Keys() {
		if inJournal(key) {
			d.t.Errorf("journal object %s is left", key)
		}
	}
}

func (d *drama) judgeInstance(r *role, m *archive.Manifest, i *kubelet.Instance) {
	d.t.Helper()
	record := d.record(m, "main", i.Restart())
	lines, written := d.crew.lines(record), i.Lines()
	if err := oracle.Accounted(lines, written, record.Gaps); err != nil && record.Log != nil {
		d.t.Errorf("%s[%d]: %v", r.pod.Name(), i.Restart(), err)
	}
	if record.Log == nil && len(record.Gaps) == 0 && len(written) > 0 && record.Verdict != archive.Lost {
		d.t.Errorf("%s[%d]: got verdict %s (%s) and %d lines were written", r.pod.Name(), i.Restart(), record.Verdict, record.Reason, len(written))
	}
	have, unserved, served := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, l := range lines {
		have[l.Text] = true
	}
	for _, l := range i.Unserved() {
		unserved[string(l.Text)] = true
	}
	files := i.Files()
	if !r.removed && i == r.now() {
		for _, l := range files[len(files)-1] {
			served[string(l.Text)] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range written {
		if have[l.Text] {
			continue
		}
		at := d.written[l.Text]
		excused := unserved[l.Text] || slices.ContainsFunc(d.trouble, func(w window) bool { return !at.Before(w.from) && !at.After(w.to) })
		if d.durable[l.Text] || served[l.Text] || !excused {
			d.t.Errorf("%s[%d]: line %.20q of %s is missing, durable %t, still served %t, excused %t, gaps %+v, verdict %s", r.pod.Name(), i.Restart(),
				l.Text, at.Format("15:04:05.000"), d.durable[l.Text], served[l.Text], excused, record.Gaps, record.Verdict)
			return
		}
	}
}

// witness is the store of one replica; it notes which lines become durable.
type witness struct {
	archive.Store
	drama *drama
	hand  *hand
}

// Put implements archive.Store.
func (w *witness) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	err := w.Store.Put(ctx, key, body, opts)
	if err != nil || !inJournal(key) {
		return err
	}
	reader := archive.NewJournalReader(w.drama.memory, w.drama.codec)
	object, err := reader.Object(ctx, key)
	if err != nil || object.Index == nil {
		return nil // it is not there any more
	}
	for _, p := range object.Index.Pods {
		for _, l := range p.Logs {
			_ = reader.Lines(ctx, object, p.PodUID, l.Container, l.Restart, func(line archive.Line) bool {
				w.drama.put(w.hand, string(line.Text))
				return true
			})
		}
	}
	return nil
}

// put: the word of one who was away does not count for what he held when he came back. Others have gone on without.
func (d *drama) put(h *hand, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := d.written[text]; at.After(h.returned) {
		d.durable[text] = true
	}
}
