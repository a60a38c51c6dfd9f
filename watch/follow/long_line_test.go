package follow

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// sameText checks that the archive holds the text that was written, however it is cut to lines.
func (b *bed) sameText(record archive.InstanceRecord, lines []kubelet.Line) {
	b.t.Helper()
	got, want := watchtest.Text(lines), watchtest.Text(b.c.Lines())
	if got != want {
		b.t.Errorf("got %d bytes of text, want %d; they differ from byte %d on", len(got), len(want), watchtest.Differs(got, want))
	}
	b.whole(record)
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

// TestOldKubeletStampsEachRecord: kubelets before 1.24.8 and 1.25.4 put a time before each 16 KiB of a line that is
// longer. Nothing tells those from text, so they are kept as they are served; and every byte that was written is there,
// in its order.
func TestOldKubeletStampsEachRecord(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("before", strings.Repeat("x", 40<<10), "after")
		time.Sleep(5 * time.Second)
		b.c.Exit(0)
		record, lines := b.end(time.Hour)
		if record.Verdict != archive.Complete {
			t.Errorf("got verdict %s (%s), want complete", record.Verdict, record.Reason)
		}
		stamp := regexp.MustCompile(`2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z `)
		got, want := watchtest.Text(lines), watchtest.Text(b.c.Lines())
		if n := len(stamp.FindAllString(got, -1)); n != 2 || stamp.ReplaceAllString(got, "") != want {
			t.Errorf("got %d bytes with %d times inside, want the %d that were written and two times", len(got), n, len(want))
		}
	}, kubelet.StampRecords())
}
