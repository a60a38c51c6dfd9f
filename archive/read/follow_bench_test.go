package read_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func liveShelf(b *testing.B) (*read.Reader, *spool.Log) {
	b.Helper()
	spool := archivetest.OpenSpool(b, b.TempDir(), 1<<40)
	b.Cleanup(spool.Still)
	log := archivetest.OpenLog(b, spool, archivetest.Instance("main"))
	if _, err := log.Append(archivetest.LinesTimedByNumber(10_000)...); err != nil {
		b.Fatal(err)
	}
	return read.New(find.Config{Store: storetest.NewMemory(nil), Codec: archivetest.OneCodec, Spool: spool}), log
}

// BenchmarkFollowFirst is the time from the question to the first of the last ten lines of an open log.
func BenchmarkFollowFirst(b *testing.B) {
	r, _ := liveShelf(b)
	tail := int64(10)
	for b.Loop() {
		a, err := r.Read(b.Context(), archive.Query{Target: archivetest.WholeJob, Tail: &tail, Follow: true})
		if err != nil {
			b.Fatal(err)
		}
		for range a.Entries {
			break
		}
	}
}

// BenchmarkFollow is the time a line takes from Append to all of so many followers of one log, where a line comes each
// 5 ms; and the time that 20,000 lines take that come as fast as they can.
func BenchmarkFollow(b *testing.B) {
	for _, followers := range []int{0, 1, 200} {
		b.Run(strconv.Itoa(followers), func(b *testing.B) {
			for b.Loop() {
				benchFollow(b, followers)
			}
		})
	}
}

func benchFollow(b *testing.B, followers int) {
	const slow, fast, batch = 200, 20_000, 100
	r, log := liveShelf(b)
	sent := make([]time.Time, slow)
	tail, all := int64(1), make([][]time.Duration, followers)
	var ready, first, whole sync.WaitGroup
	ctx, stop := context.WithCancel(b.Context())
	ready.Add(followers)
	first.Add(followers)
	for i := range followers {
		whole.Go(func() {
			a, err := r.Read(ctx, archive.Query{Target: archivetest.WholeJob, Tail: &tail, Follow: true})
			if err != nil {
				b.Error(err)
				return
			}
			n := -1
			for _, err := range a.Entries {
				if err != nil {
					b.Error(err)
					return
				}
				if n < 0 { // the line that was there
					n++
					ready.Done()
					continue
				}
				if n < slow {
					all[i] = append(all[i], time.Since(sent[n]))
				}
				if n++; n == slow {
					first.Done()
				} else if n == slow+fast {
					return
				}
			}
		})
	}
	ready.Wait()
	tick := time.NewTicker(5 * time.Millisecond)
	for n := range slow {
		<-tick.C
		sent[n] = time.Now()
		if _, err := log.Append(archive.Line{Time: archivetest.Start, Text: []byte("a line")}); err != nil {
			b.Fatal(err)
		}
	}
	tick.Stop()
	first.Wait()
	lines := logTextOf(batch)
	began := time.Now()
	for range fast / batch {
		if _, err := log.Append(lines...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(began).Nanoseconds())/fast, "ns/append")
	whole.Wait()
	stop()
	if followers > 0 {
		took := slices.Sorted(slices.Values(slices.Concat(all...)))
		b.ReportMetric(took[len(took)/2].Seconds()*1e3, "median-ms")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/fast/float64(followers), "ns/line/follower")
	}
}

func logTextOf(n int) []archive.Line {
	lines := archivetest.LinesTimedByNumber(n)
	for i := range lines {
		lines[i].Text = append(lines[i].Text, " INFO trainer.loop epoch 3 loss=0.123456 lr=1.0e-04 grad_norm=1.2345 tokens/s=41000"...)
	}
	return lines
}
