package watchtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// Process is what runs in a container: it writes as it likes, and remembers what.
type Process struct {
	*kubelet.Instance
	Rand  *rand.Rand
	Now   func() time.Time // the node's
	Note  func(format string, args ...any)
	first time.Time // when it wrote first
	words int
	Wrote strings.Builder // to its one output
	mixed bool            // it wrote to the other one as well
}

// Began returns when it wrote first; zero: never.
func (p *Process) Began() time.Time { return p.first }

// Put writes a block and remembers it. What the node's clock says may go back at any time.
func (p *Process) Put(text string) {
	if p.first.IsZero() {
		p.first = time.Now()
		p.SetClock(p.Now)
	}
	p.Wrote.WriteString(text)
	p.Print(p.Now(), text)
}

// Say writes some lines in blocks that end anywhere.
func (p *Process) Say() {
	var b strings.Builder
	for range 1 + p.Rand.IntN(200) {
		fmt.Fprintf(&b, "%d %s\n", p.words, strings.Repeat("x", p.Rand.IntN(80)))
		p.words++
	}
	text := b.String()
	if p.Rand.IntN(2) == 0 {
		text = text[:max(1, len(text)-p.Rand.IntN(20))]
	}
	p.Note("say %d bytes, up to word %d", len(text), p.words)
	for len(text) > 0 {
		n := min(len(text), 1+p.Rand.IntN(4000))
		p.Put(text[:n])
		text = text[n:]
		if p.Rand.IntN(4) == 0 {
			time.Sleep(upTo(p.Rand, 50*time.Millisecond))
		}
	}
}

// Slowly writes a text without an end, for some seconds.
func (p *Process) Slowly() {
	p.Note("slowly from word %d on", p.words)
	for range 20 + p.Rand.IntN(100) {
		var b strings.Builder
		for range 100 {
			fmt.Fprintf(&b, "\rword %d of many", p.words)
			p.words++
		}
		p.Put(b.String())
		time.Sleep(upTo(p.Rand, 100*time.Millisecond))
	}
}

// Aside writes to the other output, whole lines and parts of some. What the one output is inside of the kubelet joins
// with it.
func (p *Process) Aside(random *rand.Rand) {
	if p.first.IsZero() {
		p.first = time.Now()
		p.SetClock(p.Now)
	}
	p.mixed = true
	for range 1 + random.IntN(3) {
		record := kubelet.Record{Time: p.Now(), Output: kubelet.Stderr, Partial: random.IntN(2) == 0, Text: fmt.Appendf(nil, "aside %d", p.words)}
		p.words++
		p.Note("aside %q, part of a line %t", record.Text, record.Partial)
		p.Append(record)
		if random.IntN(2) == 0 {
			p.Put(fmt.Sprintf("between %d", p.words))
		}
		time.Sleep(upTo(random, 100*time.Millisecond))
	}
}

// Grow waits until the process's first file may be rotated: it must grow before, so that readers have been there.
func (p *Process) Grow(sleep func(time.Duration)) {
	if p.first.IsZero() {
		p.Say()
	}
	if wait := ReadFirst - time.Since(p.first); wait > 0 {
		sleep(wait)
	}
}

// Truthful holds an archived log against what was written.
func (p *Process) Truthful(lines []kubelet.Line, record archive.InstanceRecord) error {
	written := Text(p.Lines())
	if !p.mixed && written != p.Wrote.String() {
		return fmt.Errorf("the node holds %d bytes, and %d were written", len(written), p.Wrote.Len())
	}
	return Truthful(lines, written, record)
}
