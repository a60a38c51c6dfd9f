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
		{[]archive.Verdict{archive.Complete, archive.Seamed, archive.Empty, archive.NeverStarted, ""}, "seamed"},
		{[]archive.Verdict{archive.Seamed, archive.Partial}, "partial"},
	} {
		if got := Worst(tt.verdicts); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.verdicts, got, tt.want)
		}
	}
}

// TestBadnessIsOfAllVerdicts: one that is not in the order would count as better than complete.
func TestBadnessIsOfAllVerdicts(t *testing.T) {
	for _, v := range archive.Verdicts {
		if got := Worst([]archive.Verdict{archive.Complete, v}); got != string(v) {
			t.Errorf("complete and %s: got %s", v, got)
		}
	}
}

func TestProof(t *testing.T) {
	for _, tt := range []struct {
		verdict string
		seams   int64
		want    string
	}{
		{"complete", 0, "complete"},
		{"seamed", 1, "seamed (1)"},
		{"seamed", 12, "seamed (12)"},
		{"partial", 0, "partial"},
		{"partial", 1, "partial (1 seam)"},
		{"open", 2, "open (2 seams)"},
	} {
		if got := Proof(tt.verdict, tt.seams); got != tt.want {
			t.Errorf("%s with %d: got %q, want %q", tt.verdict, tt.seams, got, tt.want)
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
