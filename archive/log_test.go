package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

var pod = archive.PodRef{Namespace: "ns", Job: "job", JobUID: "job-uid", Pod: "pod", PodUID: "pod-uid"}

func instance(container string) archive.Instance {
	return archive.Instance{PodRef: pod, Container: container, Kind: archive.KindMain, ContainerID: "containerd://" + container}
}

// oneCodec serves all tests, as it serves all logs of a process. It is made outside of every bubble.
var oneCodec, errCodec = archive.NewCodec()

func newCodec(t testing.TB) *archive.Codec {
	t.Helper()
	if errCodec != nil {
		t.Fatal(errCodec)
	}
	return oneCodec
}

func openSpool(t testing.TB, dir string, limit int64) *archive.Spool {
	t.Helper()
	spool, err := archive.OpenSpool(archive.SpoolConfig{
		Dir: dir, Limit: limit, Memory: 64 << 20, FlushInterval: time.Second,
	}, newCodec(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("OpenSpool: %v", err)
	}
	t.Cleanup(spool.Still)
	return spool
}

// warmCodec has the codec that all tests share make its channels outside of any bubble.
func warmCodec(t *testing.T) {
	log := openLog(t, openSpool(t, t.TempDir(), 1<<20), instance("main"))
	if _, err := log.Append(manyLines(1, 1)...); err != nil {
		t.Fatal(err)
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	held(t, log)
}

func openLog(t testing.TB, spool *archive.Spool, i archive.Instance) *archive.Log {
	t.Helper()
	log, err := spool.Log(i)
	if err != nil {
		t.Fatalf("Log(%s): %v", i, err)
	}
	return log
}

// held gives what a log holds, with texts of their own.
func held(t testing.TB, log *archive.Log) []archive.Line {
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

func sameLines(t testing.TB, got, want []archive.Line) {
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

const start = int64(1_790_000_000_000_000_000)

// oddLines are lines of every kind that the log API can serve.
func oddLines() []archive.Line {
	lines := []archive.Line{
		{Time: start, Text: []byte("plain")},
		{Time: start, Text: []byte("plain")}, // equal in all
		{Time: start, Text: nil},
		{Time: start + 5, Text: []byte("nul \x00 and \xff\xfe no UTF-8\r")},
		{Time: start - 3_000_000_000, Text: []byte("the clock stepped back")},
		{Time: 0, Text: []byte("no time")},
		{Time: start + 7, Text: []byte("in pieces"), Partial: true},
		{Time: start + 7, Text: bytes.Repeat([]byte("x"), archive.MaxLine), Partial: true},
		{Time: start + 7, Text: []byte("and its end")},
	}
	for n := range 1000 {
		lines = append(lines, archive.Line{Time: start + 9, Text: fmt.Appendf(nil, "same time %d", n%10)})
	}
	return append(lines, archive.Line{Time: start + 10, Text: []byte("no newline"), Partial: true})
}

// manyLines are enough to fill several frames.
func manyLines(n int, seed uint64) []archive.Line {
	random := rand.New(rand.NewPCG(seed, seed))
	lines := make([]archive.Line, n)
	at := start
	for i := range lines {
		at += random.Int64N(1_000_000)
		lines[i] = archive.Line{Time: at, Text: fmt.Appendf(nil, "line %d %x", i, random.Uint64())}
	}
	return lines
}

// longLines are as many bytes as ten times the lines of manyLines, for tests in which the bytes matter.
func longLines(n int, seed uint64) []archive.Line {
	random := rand.New(rand.NewPCG(seed, seed))
	lines := make([]archive.Line, n)
	at := start
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

func TestLogHoldsWhatWasAppended(t *testing.T) {
	for name, lines := range map[string][]archive.Line{"odd": oddLines(), "many": manyLines(40_000, 1), "none": nil} {
		for _, every := range []int{1, 7, 100_000} {
			t.Run(fmt.Sprintf("%s lines, flush every %d", name, every), func(t *testing.T) {
				if every == 1 {
					lines = lines[:min(len(lines), 1020)]
				}
				dir := t.TempDir()
				log := openLog(t, openSpool(t, dir, 1<<30), instance("main"))
				for n, line := range lines {
					if _, err := log.Append(line); err != nil {
						t.Fatalf("Append: %v", err)
					}
					if n%every == 0 {
						if err := log.Flush(); err != nil {
							t.Fatalf("Flush: %v", err)
						}
					}
				}
				sameLines(t, held(t, log), lines)
				if err := log.Flush(); err != nil {
					t.Fatalf("Flush: %v", err)
				}
				again := openLog(t, openSpool(t, dir, 1<<30), instance("main"))
				sameLines(t, held(t, again), lines)
				if got, want := again.Summary().Lines, int64(len(lines)); got != want {
					t.Errorf("recovered %d lines, want %d", got, want)
				}
			})
		}
	}
}

func TestHeldSince(t *testing.T) {
	lines := manyLines(40_000, 2)
	log := openLog(t, openSpool(t, t.TempDir(), 1<<30), instance("main"))
	if _, err := log.Append(lines...); err != nil {
		t.Fatal(err)
	}
	since := lines[30_000].Time
	var got int
	if err := log.Held(since, func(l archive.Line) bool { got++; return l.Time >= since }); err != nil {
		t.Fatal(err)
	}
	if want := 10_000; got != want {
		t.Errorf("got %d lines since, want %d", got, want)
	}
	last, ok, err := log.Last()
	if err != nil || !ok || string(last.Text) != string(lines[len(lines)-1].Text) {
		t.Errorf("Last() = %q, %t, %v; want %q", last.Text, ok, err, lines[len(lines)-1].Text)
	}
}

// TestHeldFrom: behind the first line that is not before a time all come, in whole frames and in those that are open.
func TestHeldFrom(t *testing.T) {
	log := openLog(t, openSpool(t, t.TempDir(), 64<<20), instance("main"))
	lines := manyLines(30_000, 7)
	for n := range lines {
		lines[n].Time = int64(n + 1)
	}
	for n := 10_000; n < len(lines); n += 2 { // the clock was set back
		lines[n].Time = 1
	}
	if _, err := log.Append(lines...); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]int{0: 30_000, 9_999: 20_001, 10_000: 19_999, 29_999: 1} {
		got := 0
		if err := log.HeldFrom(int64(n+1), func(archive.Line) bool { got++; return true }); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("got %d lines from line %d on, want %d", got, n, want)
		}
	}
}

func TestSpoolFullTakesNothingAway(t *testing.T) {
	const limit = 600 << 10
	spool := openSpool(t, t.TempDir(), limit)
	log := openLog(t, spool, instance("main"))
	lines := manyLines(200_000, 5)
	taken := 0
	for taken < len(lines) {
		n, err := log.Append(lines[taken : taken+100]...)
		taken += n
		if errors.Is(err, archive.ErrSpoolFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if taken == len(lines) {
		t.Fatal("the spool was never full")
	}
	if used, _ := spool.Used(); used > limit {
		t.Errorf("spool uses %d bytes of %d", used, limit)
	}
	sameLines(t, held(t, log), lines[:taken])
	if err := spool.Drop(pod.PodUID); err != nil {
		t.Fatal(err)
	}
	if used, _ := spool.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
	if held, _ := spool.Held(); held != 0 {
		t.Errorf("%d bytes of text are counted in an empty spool", held)
	}
}

func TestMemoryLimitFlushes(t *testing.T) {
	spool, err := archive.OpenSpool(archive.SpoolConfig{
		Dir: t.TempDir(), Limit: 1 << 30, Memory: 100 << 10, FlushInterval: time.Hour,
	}, newCodec(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lines := manyLines(20_000, 6)
	logs := map[string]*archive.Log{}
	for n, line := range lines {
		name := fmt.Sprintf("c%d", n%10)
		if logs[name] == nil {
			logs[name] = openLog(t, spool, instance(name))
		}
		if _, err := logs[name].Append(line); err != nil {
			t.Fatal(err)
		}
		if held, limit := spool.Held(); held > limit+200 {
			t.Fatalf("%d bytes of text in memory, the limit is %d", held, limit)
		}
	}
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
