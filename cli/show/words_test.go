package show

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		verdicts []archive.Verdict
		want     string
	}{
		{nil, "none"},
		{[]archive.Verdict{archive.Complete}, "complete"},
		{[]archive.Verdict{archive.Complete, archive.Empty}, "empty"},
		{[]archive.Verdict{"", archive.Complete}, "open"},
		{[]archive.Verdict{archive.Lost, archive.Partial, ""}, "lost"},
		{[]archive.Verdict{archive.NeverStarted, archive.Partial}, "partial"},
	} {
		if got := Worst(tt.verdicts); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.verdicts, got, tt.want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 1 << 30: "1.0 GiB", 1 << 50: "1024.0 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p, start := NewProgress(&out, "verify"), time.Unix(100, 0)
	p.At(start, 0, 0)
	p.At(start, 512, 1024)
	p.At(start.Add(time.Millisecond), 513, 1024) // too soon
	p.At(start.Add(time.Millisecond), 1024, 1024)
	p.Clear()
	p.Clear()
	want := "\rverify [########################] 100 % of 0 B" + "\rverify [########################] 100 % of 1.0 KiB" +
		"\r" + strings.Repeat(" ", 50) + "\r"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	new(Progress).At(start, 1, 2) // shows nothing
}
