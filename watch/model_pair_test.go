package watch

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// pinnedPairs are schedules that once failed, as those of TestFollowerModel.
var pinnedPairs = []watchtest.Pin{
	{Seed: 295, Shows: "a file began with the rest of a line, and the answer before ended inside the line behind it: the rest became a line"},
	{Seed: 140, Shows: "the clock was set back inside a line without an end, and a taker read on from its start: since hid a part of it"},
	{Seed: 1090, Shows: "a replica stood still while a log's first file came and went, and left word that the log had no line so far"},
	{Seed: 1420, Shows: "a replica that could not look at the journals gave a sealed log's number to the next one, and the manifest lacked the first"},
	{Seed: 16360, Shows: "the newest draft in the journals was of a replica that knew of fewer instances than another one"},
	{Seed: 18850, Shows: "what was read in doubt began inside the journal's last line: the rest of that was held twice"},
	{Seed: 19990, Shows: "a stream that had brought nothing but what was held was taken past a file"},
	{Seed: 3570, Shows: "a stream hung while a log's first file came and went, until its reader left in order: that is told by nothing"},
	{Seed: 2830, Shows: "a log ended with the rest of a line with which its newest file began, too little to be known by: it was held twice"},
}

// alonePerPair is how many schedules of one reader are played for each of two: those are as dear.
const alonePerPair = 5

// TestReplicasModel is TestFollowerModel with one or two replicas: also with handovers, takeovers, both reading at
// once, restarts, and restart counts that come twice.
func TestReplicasModel(t *testing.T) {
	model := watchtest.Model{Count: modelSeeds, Every: alonePerPair, Pinned: pinnedPairs}
	watchtest.Play(t, model, func(t *testing.T, seed uint64) { newPair(t, seed).play() })
}

const modelSeeds = 200

// pair is one random run of one or two replicas over one pod. Its container is restarted now and then, and its restarts
// may be counted from 0 again.
type pair struct {
	*drama
	pod     *kubelet.Pod
	runs    []*watchtest.Process // oldest first
	count   int32                // the kubelet's restart count of the newest
	anew    bool                 // the kubelet has no earlier status of the container
	rotated time.Time
	began   time.Time
	step    time.Duration // of the node's clock
	left    []time.Time   // when a replica left in order
}

func newPair(t *testing.T, seed uint64) *pair {
	m := &pair{drama: &drama{
		crew: newCrew(t), rand: rand.New(rand.NewPCG(seed, 3)), durable: map[string]bool{}, written: map[string]time.Time{}, returned: map[string]time.Time{},
	}}
	m.pod = m.crew.pod(kubelet.Spec{Restart: corev1.RestartPolicyOnFailure})
	return m
}

func (m *pair) play() {
	defer func() {
		if m.t.Failed() {
			m.t.Log(strings.Join(m.said, "\n"))
		}
	}()
	m.join()
	m.second()
	m.began = time.Now()
	m.begin()
	acts := []func(){
		m.say, m.say, m.say, m.slowly, m.aside, m.turn, m.turn, m.streams, m.fault, m.set,
		m.second, m.parts, m.die, m.crash, m.stand, m.stand, m.offAPI, m.offStore, m.again, m.again,
	}
	for range 5 + m.rand.IntN(20) {
		acts[m.rand.IntN(len(acts))]()
		m.pause()
	}
	m.k.Heal()
	m.sleep(time.Minute)
	m.now().Exit(0)
	m.pod.Finish(corev1.PodSucceeded, "", "")
	m.report()
	m.judge()
}

// judge holds what was sealed against what was written: of each instance, whatever the kubelet called it.
func (m *pair) judge() {
	records := map[string]*archive.InstanceRecord{}
	manifest := m.sealed(m.pod)
	numbers := map[archive.LogID]bool{}
	for n := range manifest.Instances {
		r := &manifest.Instances[n]
		if records[r.ContainerID] = r; numbers[r.ID()] {
			m.t.Errorf("two records have the number %d", r.Restart)
		}
		numbers[r.ID()] = true
	}
	for n, p := range m.runs {
		record := records[p.ID()]
		switch {
		case record == nil:
			m.t.Errorf("run %d has no record", n)
		case record.Log == nil && record.Verdict == archive.Lost: // that is said
		case record.Verdict == archive.Empty && m.hidden(p): // nobody can know: see docs/verdicts.md
		default:
			if err := p.Truthful(m.crew.lines(record), *record); err != nil {
				m.t.Errorf("run %d: %v", n, err)
			}
		}
	}
}

func (m *pair) now() *watchtest.Process { return m.runs[len(m.runs)-1] }

func (m *pair) say() { m.now().Say() }

func (m *pair) slowly() { m.now().Slowly() }

func (m *pair) aside() { m.now().Aside(m.rand) }

// hidden reports whether all that a run wrote was in files that came and went while the stream of the one reader hung,
// until that left. To whoever asks then, and to the next reader, the log is one without a line.
func (m *pair) hidden(p *watchtest.Process) bool {
	files := p.Files()
	return len(files) > 1 && len(files[len(files)-1]) == 0 &&
		slices.ContainsFunc(m.left, func(at time.Time) bool { return p.Began().Before(at) && p.Deaf(p.Began(), at) })
}

// parts has a replica leave in order where there are two.
func (m *pair) parts() {
	m.left = append(m.left, time.Now())
	m.leave()
}

// second has another replica join where there is one.
func (m *pair) second() {
	if len(m.hands) < 2 {
		m.join()
	}
}

// begin starts the container.
func (m *pair) begin() {
	m.note("run %d begins with count %d", len(m.runs), m.count)
	clock := func() time.Time { return time.Now().Add(m.step) }
	m.runs = append(m.runs, &watchtest.Process{Instance: m.pod.Start("main"), Rand: m.rand, Now: clock, Note: m.note})
	m.rotated = time.Now()
	m.report()
}

// again ends the container, while somebody reads, and starts it once more. Where it is removed with its logs before,
// the kubelet counts from 0 again.
func (m *pair) again() {
	if len(m.runs) > 2 {
		return
	}
	// Before anybody acts nobody can know of one that comes and goes, and is not counted.
	if wait := 2*watchtest.LeaseTime - time.Since(m.began); wait > 0 {
		m.sleep(wait)
	}
	m.calm()
	m.note("run %d fails", len(m.runs)-1)
	m.now().Exit(1)
	m.report()
	m.sleep(m.upTo(time.Minute))
	m.calm()
	m.count++
	if m.anew = m.rand.IntN(2) == 0; m.anew {
		m.now().Remove()
		m.count = 0
	}
	m.begin()
	m.sleep(time.Second)
}

// calm waits until nobody has been away for a while: what comes and goes while nobody watches nobody knows.
func (m *pair) calm() {
	for _, w := range m.trouble {
		if wait := time.Until(w.to); wait > 0 {
			m.sleep(wait)
		}
	}
}

// report has the API server tell what the kubelet says, with its own count.
func (m *pair) report() {
	o := m.pod.Object()
	s := &o.Status.ContainerStatuses[0]
	if s.RestartCount = m.count; m.anew {
		s.LastTerminationState = corev1.ContainerState{}
	}
	m.must(m.server.Tracker().Update(watchtest.PodResource, o, jobsNamespace))
}

// turn rotates the log, wherever the process is.
func (m *pair) turn() {
	m.now().Grow(m.sleep)
	if wait := watchtest.LeastPace - time.Since(m.rotated); wait > 0 {
		m.sleep(wait)
	}
	m.rotated = time.Now()
	m.note("rotate")
	m.now().Rotate()
}

func (m *pair) fault() {
	f := watchtest.RandomFault(m.rand)
	m.note("fault of %s", watchtest.SaysFault(f))
	m.now().Inject(f)
	m.k.KillStreams()
}

func (m *pair) set() {
	m.step = m.upTo([]time.Duration{time.Second, time.Second, 20 * time.Second}[m.rand.IntN(3)])
	m.note("clock is %s ahead", m.step)
}
