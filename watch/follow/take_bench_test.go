package follow

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// served returns lines of a training job as the API serves them.
func served(lines int) []byte {
	at := time.Date(2026, 11, 23, 21, 0, 0, 0, time.UTC)
	var b []byte
	for n := range lines {
		b = at.Add(time.Duration(n)*250*time.Microsecond).AppendFormat(b, "2006-01-02T15:04:05.000000000Z07:00")
		b = fmt.Appendf(b, " 2026-11-23 21:00:%02d,%03d INFO trainer.loop epoch %d step %d loss=%.6f lr=%.1e grad_norm=%.4f\n",
			n/1000%60, n%1000, n/5000, n, 1/float64(n%5000+1), 1e-4, float64(n%97)/7)
	}
	return b
}

// taker returns a follower over a spool of its own, and the answer that it reads.
func taker(t testing.TB) (*Follower, *answer) {
	t.Helper()
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	spool, err := spool.Open(spool.Config{
		Dir: t.TempDir(), Limit: 1 << 50, Memory: 1 << 40, FlushInterval: time.Hour,
	}, codec, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	log, err := spool.Log(archive.Instance{
		PodRef: archive.PodRef{Namespace: "ns", Pod: "p", PodUID: "uid"}, Container: "main", ContainerID: "containerd://main",
	})
	if err != nil {
		t.Fatal(err)
	}
	f := New(Config{}, log, Parts{Count: metrics.NewFollow(prometheus.NewRegistry())})
	return f, &answer{Request: Request{Follow: true}, mine: true, opened: time.Now()}
}

// feed gives bytes to the follower as reads of a stream.
func feed(t testing.TB, f *Follower, a *answer, input []byte) {
	t.Helper()
	ctx := context.Background()
	for len(input) > 0 {
		n := copy(f.lines.room(), input)
		f.lines.took(n)
		input = input[n:]
		if err := f.take(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkTake is all that the daemon does with what it reads: lines, times, the log with its frames on disk.
func BenchmarkTake(b *testing.B) {
	f, a := taker(b)
	input := served(20_000)
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		f.served = 0 // the same times again are no repetition of the answer here
		feed(b, f, a, input)
	}
}

// TestTakeDoesNotAllocate: nothing is allocated for a line on its way from the stream into the log. What a frame costs,
// once in thousands of lines, is left out: the lines fit into one.
func TestTakeDoesNotAllocate(t *testing.T) {
	f, a := taker(t)
	feed(t, f, a, served(50_000)) // buffers grow to their size
	const lines, runs = 40, 20
	input := bytes.Clone(served(lines))
	if err := f.log.Flush(); err != nil {
		t.Fatal(err)
	}
	f.served = 0
	feed(t, f, a, input)
	got := testing.AllocsPerRun(runs, func() {
		f.served = 0
		feed(t, f, a, input)
	})
	most := 0.0
	if watchtest.Fewer > 1 {
		// under the race detector a sync.Pool loses some of what it is given; make test asks without it, too
		most = lines / 10
	}
	if got > most {
		t.Errorf("%.1f allocations for %d lines, want none", got, lines)
	}
}

func BenchmarkNextLine(b *testing.B) {
	input := served(20_000)
	r := newLineReader()
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := input; len(rest) > 0; {
			n := copy(r.room(), rest)
			r.took(n)
			rest = rest[n:]
			for ok := true; ok; {
				_, _, ok = r.next()
			}
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	var s stampReader
	stamps := [][]byte{[]byte("2026-11-23T21:00:00.123456789Z text"), []byte("2026-11-23T21:00:00.123556789+01:00 text")}
	b.SetBytes(int64(len("2026-11-23T21:00:00.123456789Z ")))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, _, ok := s.read(stamps[n%2]); !ok {
			b.Fatal("no time")
		}
	}
}
