//go:build integration && bench

package bench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// largeLog is one log of -megs MiB of text and the ways to read it.
type largeLog struct {
	*rig
	pod   *kubelet.Pod
	c     *kubelet.Instance
	certs string // folder of ca, cert and key
	lines int
	bytes int64 // as the API serves it, with timestamps
}

// BenchmarkThroughput compares the daemon with curl, which throws away what it reads. Both ask for the same URL.
func BenchmarkThroughput(b *testing.B) {
	compare(b, "curl", (*largeLog).byCurl)
}

// BenchmarkPipeline compares the daemon with kubectl logs --timestamps | zstd -3 | aws s3 cp -.
func BenchmarkPipeline(b *testing.B) {
	compare(b, "pipeline", (*largeLog).byPipeline)
}

// compare lets the daemon and another reader read one log in turns. The text is that of a training job; the metrics are
// medians over the rounds.
func compare(b *testing.B, name string, other func(*largeLog) (took, used time.Duration)) {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // the fake node's records must not be what is measured
	l := &largeLog{rig: newRig(b, nil)}
	l.writeCertificates()
	ways := []struct {
		name       string
		read       func(*largeLog) (took, used time.Duration)
		speed, cpu []float64
	}{{name: "daemon", read: (*largeLog).byDaemon}, {name: name, read: other}}
	for b.Loop() {
		for range *rounds {
			for n := range ways {
				w := &ways[n]
				took, used := w.read(l)
				mib := float64(l.bytes) / (1 << 20)
				b.Logf("%-9s %4.0f MiB in %5.2f s, %5.0f MiB/s, CPU %5.2f s", w.name, mib, took.Seconds(), mib/took.Seconds(), used.Seconds())
				w.speed, w.cpu = append(w.speed, mib/took.Seconds()), append(w.cpu, used.Seconds())
			}
			l.pod.RemoveLogs()
		}
	}
	for _, w := range ways {
		b.ReportMetric(median(w.speed), w.name+"-MiB/s")
		b.ReportMetric(median(w.cpu), w.name+"-CPU-s")
	}
	b.ReportMetric(median(ratios(ways[0].speed, ways[1].speed)), "daemon/"+name)
	b.ReportMetric(median(ratios(ways[0].cpu, ways[1].cpu)), "daemon/"+name+"-CPU")
}

func ratios(a, b []float64) (r []float64) {
	for i := range a {
		r = append(r, a[i]/b[i])
	}
	return r
}

// text is a line of a training job: 110 bytes or so, with numbers that differ.
func text(n int) string {
	return fmt.Sprintf("2026-11-23 21:%02d:%02d,%03d INFO trainer.loop epoch %d step %d loss=%.6f lr=%.1e grad_norm=%.4f tokens/s=%d",
		n/60000%60, n/1000%60, n%1000, n/5000, n, 1/float64(n%5000+1), 1e-4, float64(n%97)/7, 41000+n%613)
}

// byDaemon makes the log, lets the daemon have it and returns the time until it held all of it, and the CPU until it
// was sealed. The daemon's stream stands still before the first byte until the whole log is written.
func (l *largeLog) byDaemon() (took, used time.Duration) {
	hold := kubelet.NewHold()
	l.pod = l.rig.pod()
	l.node.Inject(&kubelet.Fault{On: l.isOurs, Times: 1, Hold: hold})
	l.c = l.pod.Start("main")
	select {
	case <-hold.Reached():
	case <-time.After(time.Minute):
		l.b.Fatal("the daemon does not follow the log")
	}
	l.fill()
	before := l.metric("epilogue_log_lines_total")
	cpu := l.daemon.cpu(l.b)
	wait := l.profile("large", 5*time.Second)
	took = l.serve(hold)
	wait()
	l.c.Exit(0)
	l.sealed(l.pod, 2*time.Minute)
	used = l.daemon.cpu(l.b) - cpu
	if got, want := l.metric("epilogue_log_lines_total")-before, float64(l.lines); got != want {
		l.b.Fatalf("the daemon took %.0f lines, want %.0f", got, want)
	}
	return took, used
}

func (l *largeLog) isOurs(r kubelet.Request) bool { return r.Follow && r.Pod == l.pod.Name() }

// pace is the time between two lines of the large log: with all of them in one second, every reading again from a time
// would be one of the whole log.
const pace = 250 * time.Microsecond

// fill writes the log as one that grew until now.
func (l *largeLog) fill() {
	const stamp = int64(len("2026-11-23T21:00:00.000000000Z "))
	var batch []kubelet.Record
	lines := int(*megs << 20 / int64(len(text(1_000_000))+1))
	random := rand.New(rand.NewPCG(1, 2))
	begin := time.Now().Add(-time.Duration(lines) * pace)
	l.bytes = 0
	for n := range lines {
		jitter := time.Duration(random.Int64N(int64(pace / 2)))
		batch = append(batch, kubelet.Record{Time: begin.Add(time.Duration(n)*pace + jitter), Text: []byte(text(n))})
		l.bytes += stamp + int64(len(batch[len(batch)-1].Text)) + 1
		if len(batch) == 1000 || n == lines-1 {
			l.c.Append(batch...)
			batch = batch[:0]
		}
	}
	l.lines = lines
	debug.FreeOSMemory() // a collection now is none while it is measured
}

// serve lets a held stream go and returns the time until the node has sent the whole log. What is under way then, in
// sockets and windows, is a few MiB at most, and bounded alike for all readers.
func (l *largeLog) serve(hold *kubelet.Hold) time.Duration {
	end := l.node.Counters().Bytes + l.bytes
	begin := time.Now()
	hold.Release()
	l.daemon.await(l.b, "the whole log", time.Millisecond, 5*time.Minute, func() bool { return l.node.Counters().Bytes >= end })
	return time.Since(begin)
}

// url is what the daemon asks for.
func (l *largeLog) url() string {
	return fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s/log?container=main&follow=true&timestamps=true",
		plane.RESTConfig().Host, l.ns, l.pod.Name())
}

func (l *largeLog) byCurl() (took, used time.Duration) {
	hold := kubelet.NewHold()
	l.node.Inject(&kubelet.Fault{On: l.isOurs, Times: 1, Hold: hold})
	curl := reader("curl", "-sS", "-o", "/dev/null", "--cacert", l.cert("ca"), "--cert", l.cert("cert"), "--key", l.cert("key"), l.url())
	start(l.b, curl)
	<-hold.Reached()
	took = l.serve(hold)
	return took, finish(l.b, curl)
}

// byPipeline returns the CPU of the three programs together.
func (l *largeLog) byPipeline() (took, used time.Duration) {
	kubectl := reader(*kubectlPath, "--kubeconfig", l.kubeconfig, "-n", l.ns, "logs", "--timestamps", l.pod.Name())
	zstd := reader("zstd", "-3", "-q", "-c")
	aws := reader(*awsPath, "--endpoint-url", l.endpoint, "s3", "cp", "--quiet", "-", "s3://"+bucket+"/piped.zst")
	aws.Env = append(os.Environ(), storeEnv()...)
	begin := time.Now()
	zstd.Stdin = output(l.b, kubectl)
	aws.Stdin = output(l.b, zstd)
	start(l.b, aws)
	for _, cmd := range []*exec.Cmd{kubectl, zstd, aws} {
		used += finish(l.b, cmd)
	}
	return time.Since(begin), used
}

// output starts a program and returns its output as a file, so that the next one reads from the pipe itself.
func output(b *testing.B, cmd *exec.Cmd) *os.File {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	cmd.Stdout = w
	start(b, cmd)
	w.Close() // the program has it
	return r
}

func start(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
}

// finish waits for a program and returns its CPU.
func finish(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%s: %v", cmd.Path, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func (l *largeLog) cert(name string) string { return filepath.Join(l.certs, name) }

func (l *largeLog) writeCertificates() {
	l.certs = l.b.TempDir()
	c := plane.RESTConfig()
	for name, text := range map[string][]byte{"ca": c.CAData, "cert": c.CertData, "key": c.KeyData} {
		if err := os.WriteFile(l.cert(name), text, 0o600); err != nil {
			l.b.Fatal(err)
		}
	}
}
