package spool

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

func BenchmarkAppend(b *testing.B) {
	const batch = 64
	s := spoolWith(b, b.TempDir(), 1<<50, 0)
	l := logOf(b, s, "c")
	lines := linetest.LogText(64 * batch)
	size := 0
	for _, line := range lines {
		size += len(line.Text) + 1
	}
	b.SetBytes(int64(size / len(lines)))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%batch == 0 {
			at := n % len(lines)
			if _, err := l.Append(lines[at : at+batch]...); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(l.size)/float64(max(l.stat.Lines, 1)), "stored-B/line")
}

func BenchmarkHeld(b *testing.B) {
	l := logOf(b, spoolWith(b, b.TempDir(), 1<<50, 0), "c")
	appendAll(b, l, linetest.LogText(200_000))
	b.SetBytes(l.Summary().Bytes)
	for b.Loop() {
		if err := l.Held(0, func(archive.Line) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAppendDoesNotAllocate: nothing is allocated for a line. What a frame costs, once in thousands of lines, is left
// out.
func TestAppendDoesNotAllocate(t *testing.T) {
	l := logOf(t, spoolWith(t, t.TempDir(), 0, 0), "c")
	lines := linetest.LogText(30)
	appendAll(t, l, linetest.LogText(100_000)) // buffers grow to their size
	if err := l.closeFrame(l.spool.Reserve); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, lines)
	got := testing.AllocsPerRun(20, func() { appendAll(t, l, lines) })
	if got != 0 {
		t.Errorf("%.1f allocations for %d lines, want none", got, len(lines))
	}
}

// TestQuietLogIsSmall: a log that waits for its next line holds no buffer.
func TestQuietLogIsSmall(t *testing.T) {
	const logs, most = 500, 4 << 10
	s := spoolWith(t, t.TempDir(), 0, 0)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // the second empties the pools
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	appendAll(t, logOf(t, s, "warm"), linetest.LogText(5000))
	s.flush()
	before := heap()
	for n := range logs {
		l := logOf(t, s, fmt.Sprint("c", n))
		appendAll(t, l, []archive.Line{{Time: linetest.Base, Text: bytes.Repeat([]byte("x"), 500)}})
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	s.flush()
	if got := (heap() - before) / logs; got > most {
		t.Errorf("a quiet log holds %d bytes, want at most %d", got, most)
	} else {
		t.Logf("a quiet log holds %d bytes", got)
	}
	runtime.KeepAlive(s)
}
