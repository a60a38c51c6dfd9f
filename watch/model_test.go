package watch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
)

// TestFollowerModel plays everything at once: a process that writes in blocks which end anywhere, lines that take
// seconds, rotations at any byte, clocks that step, answers that are cut, hang or lie, kills, and a node that goes
// away. What the process wrote is the truth: each byte is archived once and in order, or lies inside a gap; what is
// called complete is equal to it; and everything ends.
func TestFollowerModel(t *testing.T) {
	first, last := seedRange(t, seeds)
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &model{schedule: &schedule{bed: newBed(t), rand: rand.New(rand.NewPCG(seed, 1))}}
				m.play()
			})
		})
	}
}

// model is one random run with a process that writes as it likes.
type model struct {
	*schedule
	wrote strings.Builder
	words int
}

func (m *model) play() {
	m.bed.start()
	m.rotated = time.Now().Add(promptly - kubeletLeast)
	acts := []func(){m.say, m.say, m.say, m.slowly, m.turn, m.turn, m.cut, m.fault, m.set, m.die, m.away}
	for range 5 + m.rand.IntN(30) {
		acts[m.rand.IntN(len(acts))]()
		m.pause()
	}
	if m.rand.IntN(2) == 0 {
		m.print("\n")
	}
	m.c.Exit(m.rand.IntN(2))
	time.Sleep(m.upTo(2 * time.Second))
	m.k.Heal()
	if m.rand.IntN(4) == 0 {
		m.die()
	}
	record, lines := m.end(3 * time.Hour)
	if err := truthful(lines, m.wrote.String(), record); err != nil {
		m.t.Errorf("%v\n%s", err, strings.Join(m.said, "\n"))
	}
	if err := oracle.Whole(record, m.c); err != nil && len(record.Gaps) == 0 {
		m.t.Errorf("%v\n%s", err, strings.Join(m.said, "\n"))
	}
}

// print writes a block and remembers it. What the node's clock says may go back at any time.
func (m *model) print(text string) {
	if m.first.IsZero() {
		m.first = time.Now()
	}
	m.wrote.WriteString(text)
	m.c.Print(m.now(), text)
}

// say writes some lines in blocks that end anywhere.
func (m *model) say() {
	var b strings.Builder
	for range 1 + m.rand.IntN(200) {
		fmt.Fprintf(&b, "%d %s\n", m.words, strings.Repeat("x", m.rand.IntN(80)))
		m.words++
	}
	text := b.String()
	if m.rand.IntN(2) == 0 {
		text = text[:len(text)-m.rand.IntN(20)]
	}
	m.note("say %d bytes, up to word %d", len(text), m.words)
	for len(text) > 0 {
		n := min(len(text), 1+m.rand.IntN(4000))
		m.print(text[:n])
		text = text[n:]
		if m.rand.IntN(4) == 0 {
			time.Sleep(m.upTo(50 * time.Millisecond))
		}
	}
}

// slowly writes a text without an end, for some seconds.
func (m *model) slowly() {
	m.note("slowly from word %d on", m.words)
	for range 20 + m.rand.IntN(100) {
		var b strings.Builder
		for range 100 {
			fmt.Fprintf(&b, "\rword %d of many", m.words)
			m.words++
		}
		m.print(b.String())
		time.Sleep(m.upTo(100 * time.Millisecond))
	}
}

// turn rotates the log, wherever the process is.
func (m *model) turn() {
	if m.first.IsZero() {
		m.say()
	}
	if wait := 2*promptly - time.Since(m.first); wait > 0 {
		time.Sleep(wait)
	}
	if wait := kubeletLeast - time.Since(m.rotated); wait > 0 {
		time.Sleep(wait)
	}
	m.rotated = time.Now()
	m.note("rotate after byte %d", m.wrote.Len())
	m.c.Rotate()
}

// set sets the node's clock, mostly by little.
func (m *model) set() {
	m.step = m.upTo([]time.Duration{time.Second, time.Second, 20 * time.Second, time.Hour}[m.rand.IntN(4)])
	m.note("clock is %s ahead", m.step)
}

func (m *model) away() {
	m.note("node down")
	m.k.Down()
	time.Sleep(m.upTo(20 * time.Second))
	m.say()
	m.k.Up()
}

// truthful holds an archived log against the text that was written.
func truthful(lines []kubelet.Line, written string, record archive.InstanceRecord) error {
	if record.Verdict == archive.Complete && text(lines) != written {
		return fmt.Errorf("complete, and %d bytes of %d that differ from byte %d on", len(text(lines)), len(written), differs(text(lines), written))
	}
	cuts, inside := map[int]bool{}, map[int]bool{}
	for _, g := range record.Gaps {
		for n := g.AfterLine; n <= max(g.AfterLine, g.ThroughLine); n++ {
			cuts[int(n)] = true
			inside[int(n)] = n < g.ThroughLine
		}
	}
	at, begin := 0, 0
	for end := 1; end <= len(lines); end++ {
		if end < len(lines) && !cuts[end] {
			continue
		}
		run := text(lines[begin:end])
		found := strings.Index(written[at:], run)
		if end == len(lines) && !cuts[end] && strings.HasSuffix(written[at:], run) {
			found = len(written) - at - len(run)
		}
		switch {
		case found < 0 && inside[begin]: // the kubelet may have glued two of them together
		case found < 0 || found > 0 && !cuts[begin]:
			return fmt.Errorf("lines %d to %d of %d, %.60q…, are not what was written from byte %d of %d on, %.60q…, but agree for %d bytes; gaps %+v",
				begin+1, end, len(lines), run, at, len(written), written[at:], differs(run, written[at:]), record.Gaps)
		default:
			at += found + len(run)
		}
		begin = end
	}
	if at < len(written) && !cuts[len(lines)] {
		return fmt.Errorf("%d bytes of %d at the end are missing outside any gap %+v", len(written)-at, len(written), record.Gaps)
	}
	return nil
}
