package watch

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// process is what runs in a container: it writes as it likes, and remembers what.
type process struct {
	*kubelet.Instance
	rand  *rand.Rand
	now   func() time.Time // the node's
	note  func(format string, args ...any)
	first time.Time // when it wrote first
	words int
	wrote strings.Builder // to its one output
	mixed bool            // it wrote to the other one as well
}

// print writes a block and remembers it. What the node's clock says may go back at any time.
func (p *process) print(text string) {
	if p.first.IsZero() {
		p.first = time.Now()
	}
	p.wrote.WriteString(text)
	p.Print(p.now(), text)
}

// say writes some lines in blocks that end anywhere.
func (p *process) say() {
	var b strings.Builder
	for range 1 + p.rand.IntN(200) {
		fmt.Fprintf(&b, "%d %s\n", p.words, strings.Repeat("x", p.rand.IntN(80)))
		p.words++
	}
	text := b.String()
	if p.rand.IntN(2) == 0 {
		text = text[:max(1, len(text)-p.rand.IntN(20))]
	}
	p.note("say %d bytes, up to word %d", len(text), p.words)
	for len(text) > 0 {
		n := min(len(text), 1+p.rand.IntN(4000))
		p.print(text[:n])
		text = text[n:]
		if p.rand.IntN(4) == 0 {
			time.Sleep(upTo(p.rand, 50*time.Millisecond))
		}
	}
}

// slowly writes a text without an end, for some seconds.
func (p *process) slowly() {
	p.note("slowly from word %d on", p.words)
	for range 20 + p.rand.IntN(100) {
		var b strings.Builder
		for range 100 {
			fmt.Fprintf(&b, "\rword %d of many", p.words)
			p.words++
		}
		p.print(b.String())
		time.Sleep(upTo(p.rand, 100*time.Millisecond))
	}
}

// aside writes to the other output, whole lines and parts of some. What the one output is inside of the kubelet joins with it.
func (p *process) aside(random *rand.Rand) {
	if p.first.IsZero() {
		p.first = time.Now()
	}
	p.mixed = true
	for range 1 + random.IntN(3) {
		record := kubelet.Record{Time: p.now(), Output: kubelet.Stderr, Partial: random.IntN(2) == 0, Text: fmt.Appendf(nil, "aside %d", p.words)}
		p.words++
		p.note("aside %q, part of a line %t", record.Text, record.Partial)
		p.Append(record)
		if random.IntN(2) == 0 {
			p.print(fmt.Sprintf("between %d", p.words))
		}
		time.Sleep(upTo(random, 100*time.Millisecond))
	}
}

// grow waits until the process's first file may be rotated: it must grow before, so that readers have been there.
func (p *process) grow(sleep func(time.Duration)) {
	if p.first.IsZero() {
		p.say()
	}
	if wait := readFirst - time.Since(p.first); wait > 0 {
		sleep(wait)
	}
}

// truthful holds an archived log against what was written.
func (p *process) truthful(lines []kubelet.Line, record archive.InstanceRecord) error {
	written := text(p.Lines())
	if !p.mixed && written != p.wrote.String() {
		return fmt.Errorf("the node holds %d bytes, and %d were written", len(written), p.wrote.Len())
	}
	return truthful(lines, written, record)
}

func upTo(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(d)))
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
			from, same := longest(run, written[at:])
			line := begin + 1 + strings.Count(run[:same], "\n")
			return fmt.Errorf("lines %d to %d of %d are not what was written from byte %d of %d on: they agree with byte %d on for %d bytes, and go on in line %d with %.60q, want %.60q; gaps %+v",
				begin+1, end, len(lines), at, len(written), at+from, same, line, run[same:], written[at+from+same:], record.Gaps)
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

// longest gives where the most of a text's start stands in another, and how much of it does.
func longest(text, in string) (at, n int) {
	n = sort.Search(len(text), func(n int) bool { return !strings.Contains(in, text[:n+1]) })
	return strings.Index(in, text[:n]), n
}
