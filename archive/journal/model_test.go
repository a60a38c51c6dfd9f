package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
)

const (
	modelPods = 3
	modelLogs = 1
)

// model plays replicas that die with or without their disks. Line n of each log is always the same, so that what a
// spool must hold is known from its number of lines: the follower goes on from there.
type model struct {
	t       *testing.T
	rand    *rand.Rand
	memory  *storetest.Memory
	store   *storetest.Faulty
	source  []archive.Line
	now     *archivetest.Life
	stale   *archivetest.Life // was taken for dead and still acts
	names   []string          // of all that ever lived
	durable map[string]int
	sealed  map[int]bool
}

// TestJournalModel: whatever happens, a takeover gives a beginning of each log that has all that was journaled, no line
// twice; and when all pods are sealed no garbage is left.
func TestJournalModel(t *testing.T) {
	archivetest.WarmCodec(t)
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { runModel(t, seed) })
		})
	}
}

func runModel(t *testing.T, seed uint64) {
	memory := archivetest.NewJournalStore(t)
	m := &model{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), memory: memory, store: &storetest.Faulty{Store: memory},
		source: archivetest.LongLines(6_000, 99), durable: map[string]int{}, sealed: map[int]bool{},
	}
	m.start("r-0", t.TempDir())
	steps := []func(){m.append, m.append, m.append, m.append, m.append, m.append, m.append, m.spoolFlush, m.flush, m.flush, m.flush, m.flush, m.die, m.restart, m.collect, m.fault, m.collect, m.staleAct, m.sealOne}
	for range 160 {
		steps[m.rand.IntN(len(steps))]()
		if t.Failed() {
			return
		}
	}
	m.store.Mend()
	m.now.Flush()
	m.die()
	for n := range modelPods {
		m.seal(n)
	}
	m.now.CollectToNothing(m.memory)
	if used, _ := m.now.Spool.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
}

func (m *model) start(name, dir string) {
	max := []int64{0, 20 << 10, 300 << 10}[m.rand.IntN(3)]
	m.now = archivetest.NewLife(m.t, name, dir, m.store, max)
	m.now.Journal = takeover.New(journal.New(journal.Config{Replica: name, MaxObject: max, Compact: 1 + m.rand.IntN(4), Grace: time.Minute}, m.store, m.now.Spool,
		archivetest.QuietLogger(), func(error) { m.now.Failed.Add(1) }))
	m.names = append(m.names, name)
}

func container(n int) string { return fmt.Sprint("c", n) }

func (m *model) append() { m.appendTo(m.now) }

func (m *model) appendTo(l *archivetest.Life) {
	p := m.rand.IntN(modelPods)
	if m.sealed[p] {
		return
	}
	log := archivetest.OpenLog(m.t, l.Spool, archivetest.InstanceOf(archivetest.PodNumber(p), container(m.rand.IntN(modelLogs))))
	if log.Ended() {
		return
	}
	from := int(log.Summary().Lines)
	n := []int{1, 3, 150, 300}[m.rand.IntN(4)]
	if _, err := log.Append(m.source[from:min(from+n, len(m.source))]...); err != nil {
		m.t.Errorf("Append: %v", err)
	}
	if m.rand.IntN(5) == 0 {
		l.Draft(archivetest.PodNumber(p), "Running")
	}
}

func (m *model) spoolFlush() {
	for p := range modelPods {
		for _, log := range m.now.Spool.Logs(archivetest.PodNumber(p).PodUID) {
			if err := log.Flush(); err != nil {
				m.t.Error(err)
			}
		}
	}
}

func (m *model) flush() { m.flushOf(m.now) }

// flushOf journals, sometimes with a process that ends in the middle of it.
func (m *model) flushOf(l *archivetest.Life) {
	ctx, cancel := context.WithTimeout(m.t.Context(), []time.Duration{time.Millisecond, time.Hour}[m.rand.IntN(2)])
	defer cancel()
	held := m.held(l)
	if err := l.Journal.Flush(ctx); err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			m.t.Errorf("Flush: %v", err)
		}
		return
	}
	if l != m.now {
		return // others went on without: its word does not count any more
	}
	for name, lines := range held {
		m.durable[name] = max(m.durable[name], lines)
	}
}

// held returns the number of lines of each log, and checks that they are the first ones of the source.
func (m *model) held(l *archivetest.Life) map[string]int {
	lines := map[string]int{}
	for p := range modelPods {
		for _, log := range l.Spool.Logs(archivetest.PodNumber(p).PodUID) {
			if _, sealed, _ := log.Record(); sealed {
				continue
			}
			got := archivetest.HeldLines(m.t, log)
			linetest.WantLines(m.t, got, m.source[:len(got)])
			if sum := log.Summary(); len(sum.Gaps) != 0 || sum.Lines != int64(len(got)) {
				m.t.Errorf("%s: %d lines with gaps %v, want %d without", log.Instance(), sum.Lines, sum.Gaps, len(got))
			}
			lines[string(log.Instance().PodUID)+log.Instance().Container] = len(got)
		}
	}
	return lines
}

// die ends a life with its disk. Another one takes over, under a new name or the same one. The dead one may only seem
// dead.
func (m *model) die() {
	m.store.Mend()
	m.stale = nil
	if m.rand.IntN(2) == 0 {
		m.stale = m.now
	}
	name := fmt.Sprint("r-", len(m.names))
	if m.stale == nil && m.rand.IntN(3) == 0 {
		name = m.names[len(m.names)-1]
	}
	m.start(name, m.t.TempDir())
	names := slices.Compact(slices.Sorted(slices.Values(m.names)))
	m.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	if m.rand.IntN(2) == 0 { // the first try dies half-way
		m.store.Break(storetest.Fault{Op: storetest.OpGet, Key: "v1/_journal/*", Skip: m.rand.IntN(4)})
		ctx, cancel := context.WithTimeout(m.t.Context(), time.Millisecond)
		_, _ = m.now.Journal.TakeOver(ctx, names, archivetest.EveryPod, archivetest.NoWriter)
		cancel()
		m.store.Mend()
		m.now = archivetest.NewLife(m.t, name, m.now.Dir, m.store, 0)
	}
	m.now.TakeOver(names...)
	got := m.held(m.now)
	for p := range modelPods {
		for c := range modelLogs {
			name := string(archivetest.PodNumber(p).PodUID) + container(c)
			if want := m.durable[name]; !m.sealed[p] && got[name] < want {
				m.t.Errorf("%s: %d lines after the takeover, %d were journaled", name, got[name], want)
			}
		}
	}
}

// restart ends a life and keeps its disk.
func (m *model) restart() {
	m.now = archivetest.NewLife(m.t, m.names[len(m.names)-1], m.now.Dir, m.store, 0)
	m.held(m.now)
}

func (m *model) fault() {
	effect := []storetest.Effect{storetest.NotStored(nil), storetest.Stored(nil)}[m.rand.IntN(2)]
	m.store.Break(storetest.Fault{Op: storetest.OpPut, Key: "v1/_journal/*", Skip: m.rand.IntN(2), Times: 1 + m.rand.IntN(3), Effect: effect})
}

func (m *model) collect() {
	last := m.names[len(m.names)-1]
	if err := m.now.Journal.Collect(m.t.Context(), func(name string) bool { return name != last }); err != nil {
		m.t.Errorf("Collect: %v", err)
	}
}

// staleAct has the replica that seemed dead go on.
func (m *model) staleAct() {
	if m.stale == nil {
		return
	}
	m.appendTo(m.stale)
	m.flushOf(m.stale)
}

func (m *model) sealOne() {
	if m.rand.IntN(4) == 0 {
		m.store.Mend()
		m.seal(m.rand.IntN(modelPods))
	}
}

func (m *model) seal(p int) {
	m.sealed[p] = true
	if err := m.now.SealPod(m.t.Context(), archivetest.PodNumber(p)); err != nil && !errors.Is(err, seal.ErrSealed) {
		m.t.Errorf("seal: %v", err)
	}
}
