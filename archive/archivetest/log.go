package archivetest

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

var Pod = archive.PodRef{Namespace: "ns", Job: "job", JobUID: "job-uid", Pod: "pod", PodUID: "pod-uid"}

func Instance(container string) archive.Instance {
	return archive.Instance{PodRef: Pod, Container: container, Kind: archive.KindMain, ContainerID: "containerd://" + container}
}

// OneCodec serves all tests, as it serves all logs of a process. It is made outside of every bubble.
var OneCodec, errCodec = format.NewCodec()

func NewCodec(t testing.TB) *format.Codec {
	t.Helper()
	if errCodec != nil {
		t.Fatal(errCodec)
	}
	return OneCodec
}

func OpenSpool(t testing.TB, dir string, limit int64) *spool.Spool {
	t.Helper()
	spool, err := spool.Open(spool.Config{
		Dir: dir, Limit: limit, Memory: 64 << 20, FlushInterval: time.Second,
	}, NewCodec(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("OpenSpool: %v", err)
	}
	t.Cleanup(spool.Still)
	return spool
}

// WarmCodec has the codec that all tests share make its channels outside of any bubble.
func WarmCodec(t *testing.T) {
	log := OpenLog(t, OpenSpool(t, t.TempDir(), 1<<20), Instance("main"))
	if _, err := log.Append(ManyLines(1, 1)...); err != nil {
		t.Fatal(err)
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	Held(t, log)
}

func OpenLog(t testing.TB, spool *spool.Spool, i archive.Instance) *spool.Log {
	t.Helper()
	log, err := spool.Log(i)
	if err != nil {
		t.Fatalf("Log(%s): %v", i, err)
	}
	return log
}

// Held gives what a log holds, with texts of their own.
func Held(t testing.TB, log *spool.Log) []archive.Line {
	t.Helper()
	var lines []archive.Line
	err := log.Held(0, func(l archive.Line) bool {
		l.Text = bytes.Clone(l.Text)
		lines = append(lines, l)
		return true
	})
	if err != nil {
		t.Fatalf("Held: %v", err)
	}
	return lines
}

func SameLines(t testing.TB, got, want []archive.Line) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d", len(got), len(want))
	}
	for n := range got {
		if got[n].Time != want[n].Time || got[n].Partial != want[n].Partial || !bytes.Equal(got[n].Text, want[n].Text) {
			t.Fatalf("line %d: got %d %q %t, want %d %q %t", n,
				got[n].Time, got[n].Text, got[n].Partial, want[n].Time, want[n].Text, want[n].Partial)
		}
	}
}

const Start = int64(1_790_000_000_000_000_000)

// OddLines are lines of every kind that the log API can serve.
func OddLines() []archive.Line {
	lines := []archive.Line{
		{Time: Start, Text: []byte("plain")},
		{Time: Start, Text: []byte("plain")}, // equal in all
		{Time: Start, Text: nil},
		{Time: Start + 5, Text: []byte("nul \x00 and \xff\xfe no UTF-8\r")},
		{Time: Start - 3_000_000_000, Text: []byte("the clock stepped back")},
		{Time: 0, Text: []byte("no time")},
		{Time: Start + 7, Text: []byte("in pieces"), Partial: true},
		{Time: Start + 7, Text: bytes.Repeat([]byte("x"), archive.MaxLine), Partial: true},
		{Time: Start + 7, Text: []byte("and its end")},
	}
	for n := range 1000 {
		lines = append(lines, archive.Line{Time: Start + 9, Text: fmt.Appendf(nil, "same time %d", n%10)})
	}
	return append(lines, archive.Line{Time: Start + 10, Text: []byte("no newline"), Partial: true})
}

// ManyLines are enough to fill several frames.
func ManyLines(n int, seed uint64) []archive.Line {
	random := rand.New(rand.NewPCG(seed, seed))
	lines := make([]archive.Line, n)
	at := Start
	for i := range lines {
		at += random.Int64N(1_000_000)
		lines[i] = archive.Line{Time: at, Text: fmt.Appendf(nil, "line %d %x", i, random.Uint64())}
	}
	return lines
}

// LongLines are as many bytes as ten times the lines of manyLines, for tests in which the bytes matter.
func LongLines(n int, seed uint64) []archive.Line {
	random := rand.New(rand.NewPCG(seed, seed))
	lines := make([]archive.Line, n)
	at := Start
	for i := range lines {
		at += random.Int64N(10_000_000)
		text := fmt.Appendf(nil, "line %d", i)
		for range 10 {
			text = fmt.Appendf(text, " %d %x", i, random.Uint64())
		}
		lines[i] = archive.Line{Time: at, Text: text}
	}
	return lines
}

func text(lines []archive.Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.Write(l.Text)
		if !l.Partial {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
