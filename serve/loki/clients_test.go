package loki

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// logcliFile has the requests that an unmodified logcli made, each with the number of lines that it was answered with.
const logcliFile = "testdata/logcli-3.7.8.txt"

// clientBench holds what logcli stumbles over: 5,000 lines of one nanosecond, and ten logs with the same text at the
// same times.
func clientBench(t testing.TB) *bench {
	b := newBench(t)
	var flood []string
	for i := range 5000 {
		flood = append(flood, fmt.Sprintf("line %d", i/2))
	}
	b.writeAt(pod("jobs", "flood", "1"), at(0), flood...)
	b.seal(pod("jobs", "flood", "1"))
	for j := range 10 {
		p := pod("jobs", fmt.Sprintf("twin-%d", j), "1")
		for i := range 10 {
			b.writeAt(p, at(time.Duration(i)*time.Second), fmt.Sprintf("same %d", i))
		}
		b.seal(p)
	}
	return b
}

// TestLogcliReplayed: what logcli asks is answered, with as many lines as when it was seen to be content.
func TestLogcliReplayed(t *testing.T) {
	text, err := os.ReadFile(logcliFile)
	if err != nil {
		t.Fatal(err)
	}
	b, asked := clientBench(t), 0
	for line := range strings.Lines(string(text)) {
		var lines int
		var path string
		if n, err := fmt.Sscanf(line, "%d %s\n", &lines, &path); n != 2 || err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if w := b.do(b.plain(path)); w.Code != http.StatusOK || linesOf(w) != lines {
			t.Errorf("%s: got %d and %d lines, want %d", path, w.Code, linesOf(w), lines)
		}
		asked++
	}
	if asked < 20 {
		t.Errorf("%d requests were kept, want more", asked)
	}
}

// plain makes a request of jane's as it stands.
func (b *bench) plain(uri string) *http.Request {
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, uri, nil)
	r.Header.Set("Authorization", "Bearer jane")
	return r
}

// linesOf counts the lines of an answer.
func linesOf(w *httptest.ResponseRecorder) int {
	return strings.Count(w.Body.String(), `"line `) + strings.Count(w.Body.String(), `"same `)
}

// TestGrafanasRequests are those of Grafana's data source, of its panels, Explore and label browser, of Logs Drilldown
// and of the tools that read from Loki, as their sources form them.
func TestGrafanasRequests(t *testing.T) {
	b := filled(t)
	const from, to = "1795424400000000000", "1795431600000000000"
	for _, test := range []struct {
		name, path string
		params     []string
		want       string // stands in the answer
	}{
		{"save and test", "query", []string{"direction", "backward", "query", "vector(1)+vector(1)", "time", "4000000000"}, `"result":[{"metric":{},"value":[4000000000,"2"]}]`},
		{"panel", "query_range", []string{"query", `{namespace="jobs"}`, "direction", "backward", "limit", "1000", "start", from, "end", to, "step", "15000ms"}, `"three"`},
		{"no limit", "query_range", []string{"query", `{namespace="jobs"}`, "start", from, "end", to, "step", "15000ms"}, `"three"`},
		{"histogram", "query_range", []string{"query", `sum by (level, detected_level) (count_over_time({namespace="jobs"} |= "" [1m]))`, "start", from, "end", to, "step", "60000ms"}, `"detected_level":"error"`},
		{"alert", "query", []string{"query", `sum(count_over_time({namespace="jobs"} |= "error" [2h])) > 0`, "time", to}, `"1"]`},
		{"probe of labels", "detected_labels", []string{"start", from, "end", to}, `"label":"namespace"`},
		{"label browser", "labels", []string{"start", from, "end", to}, `"service_name"`},
		{"values", "label/job/values", []string{"start", from, "end", to, "query", `{namespace="jobs"}`}, `"run"`},
		{"series", "series", []string{"match[]", `{namespace="jobs"}`, "start", from, "end", to}, `"job":"run"`},
		{"fields", "detected_fields", []string{"query", `{namespace="jobs"}`, "limit", "1000", "start", from, "end", to}, `{"label":"msg","type":"string","cardinality":1,"parsers":["logfmt"]}`},
		{"values of a field", "detected_field/msg/values", []string{"query", `{namespace="jobs"}`, "start", from, "end", to}, `"slow"`},
		{"editor", "index/stats", []string{"query", `{namespace="jobs"}`, "start", from, "end", to}, `"streams":2`},
		{"drilldown's services", "index/volume", []string{"query", `{service_name=~".+"}`, "limit", "5000", "start", "2026-11-23T09:00:00.000Z", "end", "2026-11-23T11:00:00.000Z"}, `"service_name":"run"`},
		{"drilldown by label", "index/volume", []string{"query", `{namespace=~".+"}`, "targetLabels", "namespace", "start", from, "end", to}, `"metric":{"namespace":"jobs"}`},
		{"drilldown's patterns", "patterns", []string{"query", `{service_name="run"}`, "step", "10s", "start", from, "end", to}, `"data":[]`},
		{"drilldown's limits", "drilldown-limits", nil, `"volume_enabled":true`},
		{"drilldown's logs", "query_range", []string{"query", `{service_name="run"} | detected_level=~"error|critical|fatal" | json | logfmt | drop __error__, __error_details__`, "limit", "500", "start", from, "end", to}, `"two error"`},
		{"drilldown's levels", "query_range", []string{"query", `sum by (detected_level) (count_over_time({service_name="run"} | detected_level != "" [30s]))`, "step", "30000ms", "start", from, "end", to}, `"detected_level":"unknown"`},
		{"volume over time", "index/volume_range", []string{"query", `{namespace=~".+"}`, "targetLabels", "job", "step", "1h", "start", from, "end", to}, `"resultType":"matrix"`},
		{"build", "status/buildinfo", nil, `"version":"3.7.8"`},
		{"tekton", "query_range", []string{"query", `{namespace="jobs"} | pod="run-1" | container="main"`, "direction", "forward", "limit", "5000", "start", from, "end", to}, `"one"`},
		{"mcp", "query_range", []string{"query", `{namespace="jobs"} |= "error"`, "limit", "10", "start", "2026-11-23T09:00:00Z", "end", "2026-11-23T11:00:00Z", "direction", "backward"}, `"two error"`},
		{"gaps as annotations", "query_range", []string{"query", `{namespace=~".+", epilogue="gap"}`, "limit", "100", "start", from, "end", to}, `"result":[]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := b.ask(test.path, test.params...)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("got %d %s, want %s in it", w.Code, w.Body, test.want)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/loki/api/v1/"+test.path, strings.NewReader(b.request("jane", test.path, test.params...).URL.RawQuery))
			r.Header.Set("Authorization", "Bearer jane")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if p := b.do(r); p.Code != http.StatusOK || !strings.Contains(p.Body.String(), test.want) {
				t.Errorf("as a form: got %d %s, want %s in it", p.Code, p.Body, test.want)
			}
		})
	}
}

// TestFirstPageReadsLittle: the newest lines of many logs cost what the newest logs cost, and a log of many frames its
// last ones.
func TestFirstPageReadsLittle(t *testing.T) {
	b := newBench(t)
	for i := range 40 {
		p := pod("jobs", fmt.Sprintf("job-%02d", i), "1")
		for n := range 50 {
			b.writeAt(p, at(time.Duration(i*60+n)*time.Second), fmt.Sprintf("job %d line %d", i, n))
		}
		b.seal(p)
	}
	b.ask("labels", times()...) // so that the Jobs are known
	gets := b.gets()
	got := answered[data[result]](t, b.ask("query_range", times("query", `{namespace="jobs"}`, "limit", "100")...))
	lines := got.Data.byTime()
	if len(lines) != 100 || lines[99] != "job 39 line 49" || lines[0] != "job 38 line 0" {
		t.Fatalf("got %d lines from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
	if n := b.gets() - gets; n > 80 {
		t.Errorf("%d requests to the store for the newest two of 40 logs", n)
	}
}

func (b *bench) gets() int { return b.faulty.Count(storetest.OpGet).Requests }
