//go:build integration && bench

package bench

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkQuietLogs tells the daemon's memory with 2,000 open logs, each of which gets a line every ten seconds for
// half a minute, and what one log adds to a daemon without any. What a log wrote before it became quiet counts too.
func BenchmarkQuietLogs(b *testing.B) {
	for _, lines := range []int{10, 100} {
		b.Run(fmt.Sprintf("after=%d", lines), func(b *testing.B) { quiet(b, lines) })
	}
}

func quiet(b *testing.B, lines int) {
	const logs, seconds, every = 2000, 30, 10
	r := newRig(b, nil)
	for b.Loop() {
		before := r.daemon.memory(b, "VmRSS")
		pods, took := r.running(logs, lines)
		b.Logf("%d logs are followed after %.1f s", logs, took.Seconds())
		cpu := r.daemon.cpu(b)
		tick := time.NewTicker(time.Second)
		for second := range seconds {
			<-tick.C
			for i := second % every; i < logs; i += every {
				pods[i].c.Write(time.Now(), fmt.Sprintf("a line now and then, second %d", second))
			}
		}
		tick.Stop()
		const mib = 1 << 20
		rss := r.daemon.memory(b, "VmRSS")
		b.ReportMetric(float64(rss)/mib, "RSS-MiB")
		b.ReportMetric(float64(r.daemon.memory(b, "VmHWM"))/mib, "most-MiB")
		b.ReportMetric(float64(before)/mib, "idle-MiB")
		b.ReportMetric(float64(rss-before)/logs/1024, "KiB/log")
		b.ReportMetric((r.daemon.cpu(b)-cpu).Seconds()/seconds*100, "CPU-%")
		page, err := get(r.metrics)
		if err != nil {
			b.Fatal(err)
		}
		for _, part := range []string{"heap_alloc", "heap_inuse", "heap_idle", "heap_released", "stack_inuse", "gc_sys", "sys"} {
			b.Logf("%-14s %6.1f MiB", part, metric(page, "go_memstats_"+part+"_bytes")/mib)
		}
		r.dumpHeap()
	}
}
