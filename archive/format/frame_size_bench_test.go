package format_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// These are what decides how large a frame may be: run them with frameTarget at other sizes.

// BenchmarkSlowTail is what the last ten lines cost of a log that writes a line of 100 bytes between two flushes, when
// its frame is nearly full: all small frames before them are in one file, and are read.
func BenchmarkSlowTail(b *testing.B) {
	spool := archivetest.OpenSpool(b, b.TempDir(), 1<<40)
	log := archivetest.OpenLog(b, spool, archivetest.Instance("main"))
	for n := range 2400 {
		text := fmt.Appendf(nil, "2026-11-23 21:00:%02d INFO step %d loss=%.6f %050d", n%60, n, 1/float64(n+1), n)
		if _, err := log.Append(archive.Line{Time: archivetest.Start + int64(n)*5e9, Text: text}); err != nil {
			b.Fatal(err)
		}
		if err := log.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	used, _ := spool.Used()
	r := read.New(find.Config{Store: storetest.NewMemory(nil), Codec: archivetest.OneCodec, Spool: spool})
	tail := int64(10)
	b.ReportAllocs()
	for b.Loop() {
		a, err := r.Read(b.Context(), archive.Query{Target: archivetest.WholeJob, Tail: &tail})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range a.Entries {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(used)/1024, "spool-KiB")
}

// BenchmarkReaderHeap is the most heap, garbage included, that eight readers take who read 64 MiB of a sealed log at
// once.
func BenchmarkReaderHeap(b *testing.B) {
	const readers = 8
	memory := archivetest.SealedShelf(b, 64<<20)
	r := read.New(find.Config{Store: memory, Codec: archivetest.OneCodec})
	for b.Loop() {
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		most, stop := make(chan uint64), make(chan struct{})
		go func() {
			var highest uint64
			for {
				select {
				case <-stop:
					most <- highest
					return
				case <-time.After(5 * time.Millisecond):
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					highest = max(highest, m.HeapInuse)
				}
			}
		}()
		var all sync.WaitGroup
		for range readers {
			all.Go(func() {
				a, err := r.Read(b.Context(), archive.Query{Target: archivetest.WholeJob})
				if err != nil {
					b.Error(err)
					return
				}
				for range a.Entries {
				}
			})
		}
		all.Wait()
		close(stop)
		b.ReportMetric(float64(<-most-before.HeapInuse)/(1<<20)/readers, "MiB/reader")
	}
}
