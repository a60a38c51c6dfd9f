package loki

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/serve"
)

// TestCeilings: what costs too much is refused, and says what is too much, and how much there may be.
func TestCeilings(t *testing.T) {
	fill := func(b *bench) *bench {
		for i := range 5 {
			p := pod("jobs", fmt.Sprintf("job-%d", i), "1")
			for n := range 200 {
				b.writeAt(p, at(time.Duration(n)*time.Second), fmt.Sprintf("level=info n=%d %0100d", n, i))
			}
			b.seal(p)
		}
		return b
	}
	for _, test := range []struct {
		name   string
		cfg    Config
		path   string
		params []string
		code   int
		want   []string
	}{
		{"time", Config{Timeout: 1}, "query_range", []string{"query", `{namespace="jobs"}`}, http.StatusGatewayTimeout, []string{"the query took", "1ns"}},
		{"memory of lines", Config{MemoryOfOne: 4 << 10}, "query_range", []string{"query", `{namespace="jobs"}`, "limit", "500"}, http.StatusBadRequest, []string{"4096", "memory"}},
		{"memory of samples", Config{MemoryOfOne: 4 << 10}, "query", []string{"query", `sum by (n) (count_over_time({namespace="jobs"} | logfmt [1h]))`, "time", "1795431000"}, http.StatusBadRequest, []string{"4096", "memory"}},
		{"lines", Config{}, "query_range", []string{"query", `{namespace="jobs"}`, "limit", "5001"}, http.StatusBadRequest, []string{"max_entries_limit_per_query (5001 > 5000)"}},
		{"steps", Config{}, "query_range", []string{"query", `rate({namespace="jobs"}[1m])`, "step", "0.1"}, http.StatusBadRequest, []string{"11,000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fill(newBenchWith(t, serve.Config{Namespace: "jobs"}, test.cfg))
			params := test.params
			if test.path == "query_range" {
				params = times(params...)
			}
			w := b.ask(test.path, params...)
			for _, word := range test.want {
				if w.Code != test.code || !strings.Contains(w.Body.String(), word) || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
					t.Errorf("got %d %s, want %d and %q in plain text", w.Code, w.Body, test.code, word)
				}
			}
		})
	}
}

// TestMemoryOfOneUser: who has so many queries open that their results take all his memory waits, and is told so when
// his time is over; another one is answered.
func TestMemoryOfOneUser(t *testing.T) {
	b := newBenchWith(t, serve.Config{Namespace: "jobs", MemoryOfUser: 16 << 20}, Config{Timeout: 2 * time.Second, MemoryOfOne: 8 << 20})
	b.keep(usualPod, "one")
	entered, release := make(chan struct{}), make(chan struct{})
	b.api.Add(serve.Route{Pattern: "GET /holder", Handle: func(_ http.ResponseWriter, r *http.Request) error {
		defer close(entered)
		if err := reserve(r.Context(), 8<<20); err != nil {
			return err
		}
		entered <- struct{}{}
		<-release
		return nil
	}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.do(b.request("jane", "/holder"))
	}()
	<-entered
	params := times("query", `{namespace="jobs"}`)
	if w := b.ask("query_range", params...); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "memory") {
		t.Errorf("got %d %s, want that there is no memory for him", w.Code, w.Body)
	}
	if w := b.do(b.request("admin", "query_range", params...)); w.Code != http.StatusOK {
		t.Errorf("another user got %d %s", w.Code, w.Body)
	}
	close(release)
	<-done
	if w := b.ask("query_range", params...); w.Code != http.StatusOK {
		t.Errorf("afterwards: got %d %s", w.Code, w.Body)
	}
}

// TestManyLogsTakeLittle: logs that are read one after the other take the memory of one, so that a query over many
// leaves room for others.
func TestManyLogsTakeLittle(t *testing.T) {
	b := newBenchWith(t, serve.Config{Namespace: "jobs", MemoryOfUser: 16 << 20}, Config{MemoryOfOne: 2 << 20})
	const logs = 120 // each takes 136 KiB while it is read
	for i := range logs {
		p := pod("jobs", fmt.Sprintf("job-%d", i), "1")
		if b.write(p, "one"); i%2 == 0 {
			b.seal(p)
		} else {
			b.draft(p)
		}
	}
	entered, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b.api.Add(serve.Route{Pattern: "GET /holder", Handle: func(_ http.ResponseWriter, r *http.Request) error {
		err := reserve(r.Context(), 1<<20)
		close(entered)
		<-release
		return err
	}})
	go func() {
		defer close(done)
		b.do(b.request("jane", "/holder"))
	}()
	<-entered
	got := answered[data[result]](t, b.ask("query_range", times("query", `{namespace="jobs"}`, "limit", "1000")...))
	if n := len(got.Data.lines()); n != logs {
		t.Errorf("got %d lines, want %d", n, logs)
	}
	close(release)
	<-done
}
