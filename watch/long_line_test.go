package watch

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// text joins what lines hold, with a newline wherever one stood.
func text(lines []kubelet.Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Text)
		if !l.Partial {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// sameText checks that the archive holds the text that was written, however it is cut to lines.
func (b *bed) sameText(record archive.InstanceRecord, lines []kubelet.Line) {
	b.t.Helper()
	got, want := text(lines), text(b.c.Lines())
	if got != want {
		b.t.Errorf("got %d bytes of text, want %d; they differ from byte %d on", len(got), len(want), differs(got, want))
	}
	if record.Verdict != archive.Complete {
		b.t.Errorf("got verdict %s (%s) and gaps %+v, want complete", record.Verdict, record.Reason, record.Gaps)
	}
}

// TestLongLineIsWrittenSlowly: a line of 6 MiB takes six seconds, with a short one behind it. The read that proves the
// end begins inside it, with the rest of its text and no time, in pieces.
func TestLongLineIsWrittenSlowly(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("first")
		chunk := bytes.Repeat([]byte("x"), kubelet.ChunkBytes)
		for range 384 {
			b.c.Append(kubelet.Record{Time: time.Now(), Partial: true, Text: chunk})
			time.Sleep(16 * time.Millisecond)
		}
		b.c.Append(kubelet.Record{Time: time.Now(), Text: []byte("end of the long line")})
		b.write("last")
		time.Sleep(100 * time.Millisecond)
		b.c.Exit(0)
		b.sameText(b.end(time.Hour))
	})
}

// differs gives where two texts differ.
func differs(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
