//go:build bench

package loki

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	runtimemetrics "runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// onDisk is a bench whose store is a folder.
func onDisk(b *testing.B) *bench {
	store, err := dir.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	k := &bench{t: b, now: start.Add(time.Hour), access: &played{rights: map[string]bool{"jane jobs": true}}}
	log := slog.New(slog.DiscardHandler)
	k.spool = must(spool.Open(spool.Config{Dir: b.TempDir(), Limit: 8 << 30, Memory: 64 << 20, FlushInterval: time.Hour}, codec, log))
	k.sealer = seal.New(store, k.spool, "replica-0", log, func(error) {})
	k.reader = read.New(find.Config{Store: store, Codec: codec, Spool: k.spool, Replica: "replica-0"})
	k.api = serve.NewAPI(serve.Config{Namespace: "jobs"}, serve.Parts{Access: k.access, Reader: k.reader, Objects: k.reader, Log: log})
	k.api.Add(Routes(Config{Reader: k.reader, Store: store, May: k.api.May, Log: log, Now: func() time.Time { return k.now }})...)
	return k
}

// fillLines writes lines of a training's log into some Jobs, a second apart each thousand, and gives their bytes.
func (k *bench) fillLines(jobs, lines int) (size int64) {
	r := rand.New(rand.NewPCG(1, 2))
	for j := range jobs {
		p := pod("jobs", fmt.Sprintf("job-%03d", j), "1")
		l := k.log(p, "main")
		batch := make([]archive.Line, 0, 1000)
		for n := range lines {
			text := fmt.Appendf(nil, "2026-11-23 10:%02d:%02d INFO trainer.py:%d epoch=%d step=%d loss=%.6f lr=%.2e throughput=%.1f samples/s", n/60%60, n%60,
				r.IntN(900), n/1000, n, r.Float64(), r.Float64(), r.Float64()*1000)
			if n%50_000 == 17 {
				text = append(text, " needle in the hay"...)
			}
			size += int64(len(text)) + 1
			batch = append(batch, archive.Line{Time: at(time.Duration(j%30)*time.Minute + time.Duration(n)*time.Millisecond), Text: text})
			if len(batch) == cap(batch) {
				if _, err := l.Append(batch...); err != nil {
					k.t.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		k.seal(p)
	}
	return size
}

// stored is how many bytes the log objects have.
func (k *bench) stored() (n int64) {
	who := &asked{may: k.access.mayAll, allowed: map[string]bool{"jobs": true}}
	logs := must(newCatalogue(&shelf{reader: k.reader}, nil).find(k.t.Context(), who, nil, at(-time.Hour), at(time.Hour)))
	for _, l := range logs {
		n += l.size
	}
	return n
}

func (*played) mayAll(context.Context, access.Act) error { return nil }

const needle = `{namespace="jobs"} |= "needle in the hay"`

// logs is how many logs of 500,000 lines, 57 MB each, are searched: 4, or EPILOGUE_TEST_LOGS; 175 are 10 GB.
func logs() int {
	if n, err := strconv.Atoi(os.Getenv("EPILOGUE_TEST_LOGS")); err == nil {
		return n
	}
	return 4
}

// BenchmarkLiteral: one literal in text of which almost no line has it. Where EPILOGUE_LOKI names a Loki that has
// nothing, it is asked the same of the same lines.
func BenchmarkLiteral(b *testing.B) {
	k := onDisk(b)
	size := k.fillLines(logs(), 500_000)
	for _, query := range []string{needle, `sum(count_over_time(` + needle + ` [1h]))`} {
		path, params := "query_range", times("query", query, "limit", "5000")
		if query != needle {
			path, params = "query", []string{"query", query, "time", fmt.Sprint(at(time.Hour - time.Second))}
		}
		b.Run(path, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			most := mostHeap(func() {
				for b.Loop() {
					if w := k.ask(path, params...); w.Code != http.StatusOK {
						b.Fatal(w.Body)
					}
				}
			})
			b.ReportMetric(float64(k.stored())/float64(logs()*500_000), "stored-B/line")
			b.ReportMetric(float64(most)/(1<<20), "heap-MiB")
		})
		base := os.Getenv("EPILOGUE_LOKI")
		if base == "" {
			continue
		}
		if query == needle {
			k.pushAll(base)
		}
		b.Run("loki's "+path, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				answer, err := http.Get(base + k.request("", path, params...).URL.String())
				if err != nil {
					b.Fatal(err)
				}
				text, err := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusOK || path == "query_range" && strings.Count(string(text), "needle in") != 10*logs() {
					b.Fatal(err, answer.Status, len(text))
				}
			}
		})
	}
}

// pushAll gives Loki all lines, and has it write them out.
func (k *bench) pushAll(base string) {
	k.t.Helper()
	for j := range logs() {
		p := pod("jobs", fmt.Sprintf("job-%03d", j), "1")
		answer, err := k.reader.Read(k.t.Context(), archive.Query{Target: archive.Target{Namespace: p.Namespace, Pod: p.Pod}})
		if err != nil {
			k.t.Fatal(err)
		}
		var values [][2]string
		send := func() {
			body := must(json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": map[string]string{"namespace": p.Namespace, "job": p.Job}, "values": values}}}))
			r, err := http.Post(base+"/loki/api/v1/push", "application/json", bytes.NewReader(body))
			if err != nil || r.StatusCode != http.StatusNoContent {
				k.t.Fatal(err, r)
			}
			_ = r.Body.Close()
			values = values[:0]
		}
		for e, err := range answer.Entries {
			if err != nil {
				k.t.Fatal(err)
			}
			if values = append(values, [2]string{fmt.Sprint(e.Time), string(e.Text)}); len(values) == 20_000 {
				send()
			}
		}
		send()
	}
	flushed, err := http.Post(base+"/flush", "", nil)
	if err != nil {
		k.t.Fatal(err)
	}
	defer flushed.Body.Close()
	time.Sleep(20 * time.Second) // it has no other sign of having written all
}

// mostHeap returns by how many bytes the heap grew while that ran, at most: objects that live, and those that are not
// collected yet.
func mostHeap(run func()) (most uint64) {
	sample := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 {
		runtimemetrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before := heap()
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-tick.C:
				most = max(most, heap())
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	run()
	close(done)
	<-watched
	return max(most, before) - before
}

// BenchmarkFirstPage: the newest thousand lines of 500 Jobs.
func BenchmarkFirstPage(b *testing.B) {
	k := onDisk(b)
	k.fillLines(500, 1000)
	k.ask("labels", times()...)
	b.ReportAllocs()
	for b.Loop() {
		if w := k.ask("query_range", times("query", `{namespace="jobs"}`, "limit", "1000")...); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkVolume: labels and volume over many Jobs that are known.
func BenchmarkVolume(b *testing.B) {
	k := onDisk(b)
	k.fillLines(10_000, 1)
	k.ask("labels", times()...)
	for _, path := range []string{"labels", "index/volume"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := k.ask(path, times("query", `{namespace="jobs"}`)...); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
