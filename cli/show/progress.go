package show

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress shows on a terminal how far something is. The zero value shows nothing.
type Progress struct {
	out   io.Writer
	what  string
	last  time.Time
	width int // of what stands there
}

// NewProgress makes one that writes to out, which is a terminal.
func NewProgress(out io.Writer, what string) *Progress { return &Progress{out: out, what: what} }

// At shows that so many bytes of all are done, at most ten times a second.
func (p *Progress) At(now time.Time, done, total int64) {
	const bar, pause = 24, 100 * time.Millisecond
	if p.out == nil || now.Sub(p.last) < pause && done < total {
		return
	}
	p.last = now
	share := 1.0
	if total > 0 {
		share = float64(done) / float64(total)
	}
	full := int(share * bar)
	text := fmt.Sprintf("%s [%s%s] %3.0f %% of %s", p.what, strings.Repeat("#", full), strings.Repeat(".", bar-full), 100*share, Bytes(total))
	fmt.Fprintf(p.out, "\r%-*s", p.width, text)
	p.width = len(text)
}

// Clear takes it away, so that something else can be written.
func (p *Progress) Clear() {
	if p.width > 0 {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}
