//go:build integration && bench

package bench

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkQuietLogs gives the daemon's memory with 2,000 open logs, each of which gets a line every ten seconds for half
// a minute, and what one log adds to a daemon without any.
func BenchmarkQuietLogs(b *testing.B) {
	const logs, seconds, every = 2000, 30, 10
	r := newRig(b, nil)
	for b.Loop() {
		before := r.daemon.memory(b, "VmRSS")
		pods, took := r.running(logs)
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
		r.dumpHeap()
	}
}
