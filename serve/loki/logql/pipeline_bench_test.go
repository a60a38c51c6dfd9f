package logql

import (
	"testing"
)

// BenchmarkPipeline counts lines through the stages that are asked for most.
func BenchmarkPipeline(b *testing.B) {
	stream := streamOf("namespace", "ml", "job", "train", "container", "main", "state", "running", "service_name", "train")
	meta := NewLabels(map[string]string{"pod": "train-1", "attempt": "1", "line": "1234", "uid": "0123-4567"})
	lines := map[string][]byte{
		"json":   []byte(`{"level":"info","msg":"step done","status":200,"took":"12.5ms","http":{"method":"GET","path":"/v1/5"},"tags":["a","b2"]}`),
		"logfmt": []byte(`level=info msg="step done" status=200 took=12.5ms size=20KB step=7 loss=0.25 lr=0.001`),
	}
	for _, bench := range []struct{ name, line, query string }{
		{"passed over", "logfmt", `sum by (job) (rate({job="train"} |= "error" [1m]))`},
		{"counted", "logfmt", `sum by (job) (rate({job="train"} |= "info" [1m]))`},
		{"logfmt", "logfmt", `sum by (level) (rate({job="train"} | logfmt | status >= 200 [1m]))`},
		{"json", "json", `sum by (level) (rate({job="train"} | json | status >= 200 [1m]))`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			q := mustParse(b, bench.query).(*aggregation)
			c := &counting{op: "rate", group: q.group, spent: &meter{}, byKey: map[string]*counter{}, pipe: newPipe(q.inner.(*rangeQuery).log),
				windows: Windows{First: second, Step: second, Steps: 9, Range: second}}
			entry := Entry{Time: second, Line: lines[bench.line], Stream: stream, Meta: meta}
			b.SetBytes(int64(len(entry.Line)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.entry(entry); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
