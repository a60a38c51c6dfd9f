//go:build integration && bench

package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
)

// BenchmarkRotation writes 1,000,000 lines at a rate at which a runtime can take them, rotates them as a kubelet does,
// and compares what a plain follow keeps with what the archive keeps. A line that is missing outside the gaps of the
// manifest fails it.
func BenchmarkRotation(b *testing.B) {
	folder := b.TempDir()
	r := newRig(b, []kubelet.Option{kubelet.ForceCheck(time.Second)}, "--archive", "file://"+folder)
	r.kept = folder
	var alone, kept, gaps []float64
	for b.Loop() {
		for range *rounds {
			a, n, g := r.rotateRound()
			alone, kept, gaps = append(alone, float64(a)), append(kept, float64(n)), append(gaps, float64(g))
			b.Logf("kept by a follow alone %d, by the archive %d with %d gaps", a, n, g)
		}
	}
	b.ReportMetric(median(alone), "follow-alone-lines")
	b.ReportMetric(median(kept), "archived-lines")
	b.ReportMetric(median(gaps), "gaps")
}

func (r *rig) rotateRound() (alone, kept, gaps int) {
	p := r.pod()
	c := p.Start("main")
	counted := r.followAlone(p)
	r.followed(c)
	stop := rotating(c)
	err := c.Flood(r.b.Context(), kubelet.Load{Lines: 980_000, PerSecond: *speed, Text: text})
	stop()
	c.Rotate() // a rotation shortly before the exit: the kubelet ends a follow that has not changed files by then
	if err == nil {
		err = c.Flood(r.b.Context(), kubelet.Load{Lines: 20_000, Text: text})
	}
	if err != nil {
		r.b.Fatal(err)
	}
	c.Exit(0)
	r.sealed(p, time.Minute)
	kept, gaps = r.account(p, c)
	p.RemoveLogs()
	return <-counted, kept, gaps
}

// rotating rotates the log until stop, whenever the monitor finds that it is large. At this rate it always is.
func rotating(c *kubelet.Instance) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(*monitor)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.Rotate()
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-done
	}
}

// followAlone counts the lines of one follow.
func (r *rig) followAlone(p *kubelet.Pod) <-chan int {
	opts := &corev1.PodLogOptions{Follow: true, Timestamps: true}
	body, err := plane.Client().CoreV1().Pods(r.ns).GetLogs(p.Name(), opts).Stream(r.b.Context())
	if err != nil {
		r.b.Fatal(err)
	}
	counted := make(chan int, 1)
	go func() {
		defer body.Close()
		n, buf := 0, make([]byte, 64<<10)
		for {
			m, err := body.Read(buf)
			n += bytes.Count(buf[:m], []byte("\n"))
			if err != nil { // an end, be it a proper one
				counted <- n
				return
			}
		}
	}()
	return counted
}

// account compares the archived log with what was written, and returns its lines and its gaps.
func (r *rig) account(p *kubelet.Pod, c *kubelet.Instance) (lines, gaps int) {
	r.b.Helper()
	document, err := os.ReadFile(r.manifest(p))
	if err != nil {
		r.b.Fatal(err)
	}
	var m archive.Manifest
	if err := json.Unmarshal(document, &m); err != nil {
		r.b.Fatal(err)
	}
	record := m.Instances[0]
	archived := r.read(record.Log.Key)
	if err := oracle.Accounted(archived, kubelet.Render(c.Records()), record.Gaps); err != nil {
		r.b.Fatal(err)
	}
	return len(archived), len(record.Gaps)
}

func (r *rig) read(key archive.Key) (lines []kubelet.Line) {
	r.b.Helper()
	store, err := dir.Open(r.b.Context(), r.kept)
	if err != nil {
		r.b.Fatal(err)
	}
	codec, err := format.NewCodec()
	if err != nil {
		r.b.Fatal(err)
	}
	err = archivetest.StoredLines(r.b.Context(), codec, store, key, 0, func(l archive.Line) bool {
		lines = append(lines, kubelet.Line{Time: time.Unix(0, l.Time).UTC(), Text: string(l.Text), Partial: l.Partial})
		return true
	})
	if err != nil {
		r.b.Fatal(err)
	}
	return lines
}
