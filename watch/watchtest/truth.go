package watchtest

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// Text joins what lines hold, with a newline wherever one stood.
func Text(lines []kubelet.Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Text)
		if !l.Partial {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Differs returns where two texts differ.
func Differs(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func upTo(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(d)))
}

// Truthful holds an archived log against the text that was written.
func Truthful(lines []kubelet.Line, written string, record archive.InstanceRecord) error {
	if record.Verdict == archive.Complete && Text(lines) != written {
		return fmt.Errorf("complete, and %d bytes of %d that differ from byte %d on", len(Text(lines)), len(written), Differs(Text(lines), written))
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
		run := Text(lines[begin:end])
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

// longest returns where the most of a text's start stands in another, and how much of it does.
func longest(text, in string) (at, n int) {
	n = sort.Search(len(text), func(n int) bool { return !strings.Contains(in, text[:n+1]) })
	return strings.Index(in, text[:n]), n
}
