//go:build integration && bench

package bench

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// BenchmarkSealAlone tells the time from a container's end to its manifest in the store, one pod at a time. The real
// kubelet takes up to a second to end a follow; the fake one is told to take as long.
func BenchmarkSealAlone(b *testing.B) {
	r := newRig(b, []kubelet.Option{kubelet.ForceCheck(time.Second)})
	var delays []float64
	for b.Loop() {
		for range 10 {
			pods, _ := r.running(1, 100)
			delays = append(delays, r.end(pods)...)
		}
	}
	report(b, delays)
}

// BenchmarkSeal500 ends 500 containers together, with the S3 server beside it on this machine, and with a folder, which
// takes next to no time of the processors.
func BenchmarkSeal500(b *testing.B) {
	b.Run("s3", func(b *testing.B) { seal500(b, newRig(b, []kubelet.Option{kubelet.ForceCheck(time.Second)})) })
	b.Run("folder", func(b *testing.B) {
		folder := b.TempDir()
		r := newRig(b, []kubelet.Option{kubelet.ForceCheck(time.Second)}, "--archive", "file://"+folder)
		r.kept = folder
		seal500(b, r)
	})
}

func seal500(b *testing.B, r *rig) {
	var delays []float64
	for b.Loop() {
		pods, _ := r.running(500, 100)
		cpu := r.daemon.cpu(b)
		wait := r.profile("seal", 10*time.Second)
		delays = append(delays, r.end(pods)...)
		b.ReportMetric((r.daemon.cpu(b) - cpu).Seconds(), "CPU-s")
		wait()
	}
	report(b, delays)
}

func report(b *testing.B, delays []float64) {
	b.ReportMetric(median(delays), "median-s")
	b.ReportMetric(quantile(delays, 0.99), "p99-s")
	b.ReportMetric(quantile(delays, 1), "max-s")
}

// started is one container and its pod.
type started struct {
	pod *kubelet.Pod
	c   *kubelet.Instance
}

// running makes pods of one container that has written some lines and is followed, and returns how long that took.
func (r *rig) running(n, lines int) ([]started, time.Duration) {
	r.b.Helper()
	begin := time.Now()
	pods := make([]started, n)
	each(n, 16, func(i int) {
		p := r.pod()
		c := p.Start("main")
		for line := range lines {
			c.Write(time.Now(), fmt.Sprintf("step %d of the job in %s", line, p.Name()))
		}
		pods[i] = started{p, c}
	})
	for _, p := range pods {
		r.followed(p.c)
	}
	return pods, time.Since(begin)
}

// end ends all containers and returns the seconds from each one's end to its manifest.
func (r *rig) end(pods []started) []float64 {
	r.b.Helper()
	ends := make([]time.Time, len(pods))
	each(len(pods), len(pods), func(i int) {
		ends[i] = time.Now()
		pods[i].c.Exit(0)
	})
	told := time.Since(ends[0])
	delays := make([]float64, len(pods))
	for i, p := range pods {
		delays[i] = r.sealed(p.pod, 2*time.Minute).Sub(ends[i]).Seconds()
	}
	if len(pods) > 1 {
		r.b.Logf("the node needed %.1f s to report %d ends to the API server", told.Seconds(), len(pods))
	}
	return delays
}

// each calls do for 0 to n-1, most of them at once.
func each(n, most int, do func(int)) {
	var work sync.WaitGroup
	slots := make(chan struct{}, most)
	for i := range n {
		slots <- struct{}{}
		work.Go(func() {
			do(i)
			<-slots
		})
	}
	work.Wait()
}
