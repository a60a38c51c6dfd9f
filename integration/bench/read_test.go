//go:build integration && bench

package bench

import (
	"bytes"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/s3"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// sealedLog is one log object of -megs MiB of text in an S3 server, and the ways to read it.
type sealedLog struct {
	*rig
	counted *storetest.Faulty
	codec   *format.Codec
	key     archive.Key
	lines   int
}

var sealedJob = archive.Target{Namespace: "bench", Job: "job", JobUID: "job-uid"}

func newSealedLog(b *testing.B) *sealedLog {
	b.Helper()
	l := &sealedLog{rig: &rig{b: b}}
	l.startStore()
	b.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	b.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	pathStyle := true
	store, err := s3.Open(b.Context(), s3.Config{Bucket: bucket, Prefix: "kept/", Region: region, Endpoint: l.endpoint, PathStyle: &pathStyle})
	if err != nil {
		b.Fatal(err)
	}
	l.counted = &storetest.Faulty{Store: store}
	if l.codec, err = format.NewCodec(); err != nil {
		b.Fatal(err)
	}
	l.seal()
	return l
}

// seal writes the log as the daemon does.
func (l *sealedLog) seal() {
	b, log := l.b, slog.New(slog.DiscardHandler)
	spool, err := spool.Open(spool.Config{
		Dir: filepath.Join(b.TempDir(), "spool"), Limit: 8 << 30, Memory: 64 << 20, FlushInterval: time.Second,
	}, l.codec, log)
	if err != nil {
		b.Fatal(err)
	}
	pod := archive.PodRef{Namespace: "bench", Job: "job", JobUID: "job-uid", Pod: "job-x", PodUID: "pod-uid"}
	open, err := spool.Log(archive.Instance{PodRef: pod, Container: "main", Kind: archive.KindMain})
	if err != nil {
		b.Fatal(err)
	}
	for size := int64(0); size < *megs<<20; l.lines++ {
		line := archive.Line{Time: 1_790_000_000e9 + int64(l.lines)*250_000, Text: []byte(text(l.lines))}
		if _, err := open.Append(line); err != nil {
			b.Fatal(err)
		}
		size += int64(len(line.Text)) + 1
	}
	sealer := seal.New(l.counted, spool, "bench", log, func(error) {})
	record, err := sealer.Log(b.Context(), open)
	if err != nil {
		b.Fatal(err)
	}
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: pod, Phase: "Succeeded"}, Instances: []archive.InstanceRecord{record}}
	if err := sealer.Pod(b.Context(), m); err != nil {
		b.Fatal(err)
	}
	if _, err := sealer.Job(b.Context(), pod, &archive.JobDocument{Namespace: "bench"}); err != nil {
		b.Fatal(err)
	}
	l.key = record.Log.Key
	b.Logf("%d MiB of text, %d lines, %d MiB stored", *megs, l.lines, record.Log.Size>>20)
}

// read returns the text of an answer by a reader that knows nothing but the store.
func (l *sealedLog) read(q archive.Query) []byte {
	q.Target = sealedJob
	a, err := read.New(find.Config{Store: l.counted, Codec: l.codec}).Read(l.b.Context(), q)
	if err != nil {
		l.b.Fatal(err)
	}
	var out bytes.Buffer
	for e, err := range a.Entries {
		if err != nil {
			l.b.Fatal(err)
		}
		out.Write(e.Text)
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// byShell returns what a shell's pipeline prints.
func (l *sealedLog) byShell(line string) []byte {
	cmd := exec.Command("bash", "-c", "set -o pipefail; "+line)
	cmd.Env = append(cmd.Environ(), storeEnv()...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		l.b.Fatalf("%s: %v: %s", line, err, stderr.Bytes())
	}
	return out
}

func (l *sealedLog) awsCopy() string {
	return fmt.Sprintf("%s --endpoint-url %s s3 cp --quiet s3://%s/kept/%s -", *awsPath, l.endpoint, bucket, l.key)
}

func (l *sealedLog) curl() string {
	return fmt.Sprintf("curl -sSf --aws-sigv4 aws:amz:%s:s3 --user %s:%s -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' %s/%s/kept/%s",
		region, accessKey, secretKey, l.endpoint, bucket, l.key)
}

// cpuTime is what this process and its children that were waited for have used.
func cpuTime() (d time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			d += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return d
}

// way is one way to read, and what it took in each round.
type way struct {
	name      string
	read      func() []byte
	took, cpu []float64
}

// turns has ways read in turns, which must all give the same, and reports the medians and the ratios to the first one.
func (l *sealedLog) turns(what string, ways ...*way) {
	var want []byte
	for round := range *rounds {
		for _, w := range ways {
			runtime.GC()
			used, began := cpuTime(), time.Now()
			out := w.read()
			took, cpu := time.Since(began), cpuTime()-used
			l.b.Logf("%-5s %-12s %8.1f ms, CPU %7.1f ms", what, w.name, took.Seconds()*1e3, cpu.Seconds()*1e3)
			w.took, w.cpu = append(w.took, took.Seconds()*1e3), append(w.cpu, cpu.Seconds()*1e3)
			if want == nil {
				want = out
			}
			if !bytes.Equal(out, want) || len(out) == 0 {
				l.b.Fatalf("%s by %s in round %d: %d bytes, %s gave %d others", what, w.name, round, len(out), ways[0].name, len(want))
			}
		}
	}
	for n, w := range ways {
		l.b.ReportMetric(median(w.took), what+"-"+w.name+"-ms")
		if n > 0 {
			l.b.ReportMetric(median(ratios(ways[0].took, w.took)), what+"/"+w.name)
			l.b.ReportMetric(median(ratios(ways[0].cpu, w.cpu)), what+"/"+w.name+"-CPU")
		}
	}
}

// BenchmarkRetrieval compares the reader with what one does without it: fetch all, decompress all, and look.
func BenchmarkRetrieval(b *testing.B) {
	l := newSealedLog(b)
	file := filepath.Join(l.kept, string(l.key))
	for b.Loop() {
		tail := int64(100)
		before := l.counted.Count(storetest.OpGet)
		l.read(archive.Query{Tail: &tail})
		cost := l.counted.Count(storetest.OpGet)
		gets, size := cost.Requests-before.Requests, cost.Bytes-before.Bytes
		if gets > 3 || size > 1<<20 {
			b.Errorf("tail cost %d GETs and %d bytes, want at most 3 and 1 MiB", gets, size)
		}
		b.ReportMetric(float64(gets), "tail-GETs")
		b.ReportMetric(float64(size)/1024, "tail-KiB")
		l.turns("tail",
			&way{name: "reader", read: func() []byte { return l.read(archive.Query{Tail: &tail}) }},
			&way{name: "aws", read: func() []byte { return l.byShell(l.awsCopy() + " | zstd -dc | tail -n 100") }},
			&way{name: "curl", read: func() []byte { return l.byShell(l.curl() + " | zstd -dc | tail -n 100") }})
		for _, grep := range []struct{ what, pattern string }{
			{"rare", fmt.Sprintf("step %d ", l.lines-1000)}, {"often", "grad_norm=13.0000"},
		} {
			q := archive.Query{Grep: &archive.Grep{Pattern: grep.pattern, Fixed: true}}
			l.turns("grep-"+grep.what,
				&way{name: "reader", read: func() []byte { return l.read(q) }},
				&way{name: "curl", read: func() []byte { return l.byShell(fmt.Sprintf("%s | zstd -dc | grep -F '%s'", l.curl(), grep.pattern)) }},
				&way{name: "file", read: func() []byte { return l.byShell(fmt.Sprintf("zstd -dc %s | grep -F '%s'", file, grep.pattern)) }})
		}
	}
}
