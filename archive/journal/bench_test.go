package journal_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
)

func benchJournal(b *testing.B, store archive.Store) (*spool.Spool, *journal.Journal) {
	b.Helper()
	spool := archivetest.OpenSpool(b, b.TempDir(), 1<<40)
	return spool, journal.New(journal.Config{Replica: "r-1"}, store, spool, archivetest.QuietLogger(), func(error) {})
}

// chatty has each of some logs write some lines.
func chatty(b *testing.B, spool *spool.Spool, logs, lines int, at int64) {
	for n := range logs {
		log := archivetest.OpenLog(b, spool, archivetest.InstanceOf(archivetest.PodNumber(n), "main"))
		for k := range lines {
			text := fmt.Appendf(nil, "2026-11-23 21:00:00,%03d INFO epoch %d step %d loss=%.6f", k, at, n, float64(at%997)/float64(n+1))
			if _, err := log.Append(archive.Line{Time: archivetest.Start + at*int64(time.Second) + int64(k), Text: text}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkJournalHour plays an hour of logs that have a line in every interval, and reports the journal's requests of
// that hour and how often the bytes of its frames are written.
func BenchmarkJournalHour(b *testing.B) {
	for _, logs := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("logs=%d", logs), func(b *testing.B) {
			for b.Loop() {
				store := &storetest.Faulty{Store: storetest.NewMemory(b)}
				spool, journal := benchJournal(b, store)
				const intervals, playedPart = 720, 10 // a tenth of an hour, for the disk's sake
				for at := range intervals / playedPart {
					chatty(b, spool, logs, 1, int64(at)*5)
					if err := journal.Flush(b.Context()); err != nil {
						b.Fatal(err)
					}
					if at%12 == 11 {
						if err := journal.Collect(b.Context(), archivetest.NoReplica); err != nil {
							b.Fatal(err)
						}
					}
				}
				requests := 0
				for _, op := range []storetest.Op{storetest.OpPut, storetest.OpGet, storetest.OpList, storetest.OpDelete} {
					requests += store.Count(op).Requests
				}
				b.ReportMetric(float64(requests*playedPart), "requests/h")
				b.ReportMetric(float64(store.Count(storetest.OpPut).Requests*playedPart), "puts/h")
			}
		})
	}
}

// BenchmarkJournalReframed has one log write at some speed, and reports how many bytes of frames the journal writes for
// each byte that the log has in the end, and how many of them to keep its objects few.
func BenchmarkJournalReframed(b *testing.B) {
	for _, lines := range []int{5, 100, 2000, 20_000} {
		b.Run(fmt.Sprintf("lines/interval=%d", lines), func(b *testing.B) {
			for b.Loop() {
				spool, journal := benchJournal(b, storetest.NewMemory(b))
				for at := range 720 {
					if lines*at > 4_000_000 {
						break
					}
					chatty(b, spool, 1, lines, int64(at)*5)
					if err := journal.Flush(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				s := journal.Stats()
				used, _ := spool.Used()
				b.ReportMetric(float64(s.Frames+s.Tails)/float64(used), "written/B")
				b.ReportMetric(float64(s.Compacted)/float64(used), "compacted/B")
			}
		})
	}
}

// BenchmarkJournalLag runs the journal as it is set by default over a folder, with 100 logs that each have a line ten
// times a second, and reports how old a line is when the store has it.
func BenchmarkJournalLag(b *testing.B) {
	for b.Loop() {
		store, err := dir.Open(b.Context(), b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		spool, journal := benchJournal(b, store)
		var waiting, lags []time.Duration
		begin := time.Now()
		next := 5 * time.Second
		tick := time.NewTicker(100 * time.Millisecond)
		for at := int64(0); time.Since(begin) < 31*time.Second; at++ {
			<-tick.C
			chatty(b, spool, 100, 1, at)
			waiting = append(waiting, time.Since(begin))
			if now := time.Since(begin); now >= next {
				next += 5 * time.Second
				if err := journal.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				for _, written := range waiting {
					lags = append(lags, time.Since(begin)-written)
				}
				waiting = waiting[:0]
			}
		}
		tick.Stop()
		slices.Sort(lags)
		b.ReportMetric(lags[len(lags)/2].Seconds(), "p50-s")
		b.ReportMetric(lags[len(lags)*99/100].Seconds(), "p99-s")
		b.ReportMetric(lags[len(lags)-1].Seconds(), "max-s")
	}
}

// BenchmarkTakeOver takes over the open logs of a dead replica, 100 lines each, from a folder, and reports the most
// heap that it had beside what was there before, garbage included.
func BenchmarkTakeOver(b *testing.B) {
	for _, logs := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("logs=%d", logs), func(b *testing.B) {
			store, err := dir.Open(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			first, wal := benchJournal(b, store)
			for at := range 2 {
				chatty(b, first, logs, 50, int64(at))
				if err := wal.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			most := int64(0)
			for b.Loop() {
				spool := archivetest.OpenSpool(b, b.TempDir(), 1<<40)
				second := takeover.New(journal.New(journal.Config{Replica: "r-2"}, store, spool, archivetest.QuietLogger(), func(error) {}))
				before := heap()
				stop := watchHeap(&most)
				pods, err := second.TakeOver(b.Context(), []string{"r-1"}, archivetest.EveryPod, archivetest.NoWriter)
				stop()
				most -= before
				if err != nil || len(pods) != logs {
					b.Fatalf("TakeOver gave %d pods, %v; want %d", len(pods), err, logs)
				}
			}
			runtime.KeepAlive(first) // else it would be counted as given back
			b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
		})
	}
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// watchHeap notes the most bytes that the heap has, garbage with them, until it is stopped.
func watchHeap(most *int64) (stop func()) {
	*most = 0
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			*most = max(*most, int64(m.HeapAlloc))
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
