//go:build oracle

package loki

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/serve"
)

// logcli runs the program of EPILOGUE_LOGCLI against a server.
func logcli(ctx context.Context, t *testing.T, server string, args ...string) *exec.Cmd {
	t.Helper()
	program := os.Getenv("EPILOGUE_LOGCLI")
	if program == "" {
		t.Fatal("EPILOGUE_LOGCLI is not set: run make loki-oracle")
	}
	return exec.CommandContext(ctx, program, append([]string{"--quiet", "--addr=" + server, "--bearer-token=jane"}, args...)...)
}

// logcliSays has, by what logcli is asked besides lines, what stands in its answer.
func logcliSays(to string) map[string]string {
	return map[string]string{
		"labels": "namespace", "labels job": "twin-3", `series {job="flood"}`: `job="flood"`, `stats {job="flood"}`: "entries: 5000", `volume {job="flood"}`: "flood",
		`volume_range {job="flood"} --step=60s`: "flood", `detected-fields {job="flood"}`: "detected_level",
		`query --stats {job="twin-1"}`: "same 9", `instant-query sum(count_over_time({job="flood"}[1h])) --now=` + to: "5000",
	}
}

// TestLogcliRecorded has logcli read page by page, both ways, and keeps what it asked.
func TestLogcliRecorded(t *testing.T) {
	b := clientBench(t)
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := httptest.NewRecorder()
		b.api.ServeHTTP(kept, r)
		mu.Lock()
		asked = append(asked, fmt.Sprintf("%d %s", linesOf(kept), r.URL.RequestURI()))
		mu.Unlock()
		maps.Copy(w.Header(), kept.Header())
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	}))
	defer server.Close()
	from, to := start.Add(-time.Minute).Format(time.RFC3339), start.Add(time.Minute).Format(time.RFC3339)
	var flood, twins []string
	for i := range 5000 {
		flood = append(flood, fmt.Sprintf("line %d", i/2))
	}
	for i := range 100 {
		twins = append(twins, fmt.Sprintf("same %d", i/10))
	}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"query", "--limit=6000", "--batch=1000", "--forward", `{job="flood"}`}, flood},
		{[]string{"query", "--limit=6000", "--batch=1000", `{job="flood"}`}, flood},
		{[]string{"query", "--limit=6000", "--batch=5000", `{job="flood"}`}, flood},
		{[]string{"query", "--limit=200", "--batch=15", `{job=~"twin-.*"}`}, twins},
		{[]string{"query", "--limit=200", "--batch=15", "--forward", `{job=~"twin-.*"}`}, twins},
	} {
		args := append(slices.Clone(test.args[:1]), "--output=raw", "--from="+from, "--to="+to)
		out, err := logcli(t.Context(), t, server.URL, append(args, test.args[1:]...)...).CombinedOutput()
		got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if !slices.Contains(test.args, "--forward") {
			slices.Reverse(got)
		}
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("logcli %v: %v, %d lines, want %d; %.300s", test.args, err, len(got), len(test.want), out)
		}
	}
	for args, want := range logcliSays(to) {
		words := strings.Fields(args)
		if words[0] != "instant-query" {
			words = append(words, "--from="+from, "--to="+to)
		}
		if out, err := logcli(t.Context(), t, server.URL, words...).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("logcli %s: %v, want %q in %.600s", args, err, want, out)
		}
	}
	slices.Sort(asked)
	if err := os.WriteFile(logcliFile, []byte(strings.Join(slices.Compact(asked), "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLogcliTails: from a Job that runs to its seal.
func TestLogcliTails(t *testing.T) {
	b := newBenchWith(t, serve.Config{Namespace: "jobs"}, Config{Poll: 20 * time.Millisecond})
	b.draft(usualPod)
	b.write(usualPod, "one", "two")
	server := httptest.NewServer(b.api)
	defer server.Close()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := logcli(ctx, t, server.URL, "query", "--tail", "--output=raw", "--from="+start.Add(-time.Minute).Format(time.RFC3339), `{job="run"}`)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	want := []string{"one", "two", "three", "four"}
	for i, text := range want {
		if i == 2 {
			b.write(usualPod, "three", "four")
			b.seal(usualPod)
		}
		if !lines.Scan() || lines.Text() != text {
			t.Fatalf("got %q, want %q: %s", lines.Text(), text, said.Bytes())
		}
	}
	stop()
	_ = cmd.Wait() // it was stopped
}
