package loki

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// The answers of a real Loki to the same requests over the same lines. They are recorded by `make loki-oracle`.
const (
	answersFile = "testdata/loki-3.7.8.txt.gz"
	// differencesFile has, for each request whose answer is another one here, why: "request<TAB>reason".
	differencesFile = "testdata/differences.txt"
)

// oracleBench holds the lines: of two Jobs that have ended, one of them with two pods, and one that failed. No two have
// one time.
func oracleBench(t testing.TB) *bench {
	b := newBench(t)
	n := 0
	lines := func(p archive.PodRef, texts ...string) {
		for _, text := range texts {
			b.writeAt(p, at(time.Duration(n)*7*time.Second+time.Duration(n)), text)
			n++
		}
	}
	train, prepare, second := pod("jobs", "train", "1"), pod("jobs", "prepare", "1"), pod("jobs", "train", "2")
	for i := range 25 {
		lines(train, fmt.Sprintf(`{"level":"%s","epoch":%d,"loss":%.3f,"took":"%dms","gpu":{"name":"a100","used":%t}}`,
			[]string{"info", "warn", "error", "debug"}[i%4], i, 1/float64(i+1), 10*i+5, i%2 == 0))
		lines(prepare, fmt.Sprintf(`level=%s msg="read a file" file=part-%03d.csv bytes=%d ok=%t took=%ds`,
			[]string{"info", "error"}[i%5/4], i, i*1024, i%5 != 4, i))
	}
	lines(prepare, "plain text", "ERROR: it failed", "Traceback (most recent call last):", `  File "a.py", line 3`, "ValueError: no such thing", "warning: old", "ünïcödé ☃", "")
	lines(second, "DEBUG starting", "[INFO] going", "connection refused: err 111", "panic: runtime error", "fatal: gone", "nothing to see")
	b.seal(prepare)
	m := manifestOf(train)
	for _, p := range []archive.PodRef{train, second} {
		m = manifestOf(p)
		m.Pod.CreatedAt = start.Add(time.Duration(len(p.Pod)) * time.Second)
		record, err := b.sealer.Log(t.Context(), b.log(p, "main"))
		if err != nil {
			t.Fatal(err)
		}
		m.Instances = append(m.Instances, record)
		if err := b.sealer.Pod(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := b.spool.Drop(p.PodUID); err != nil {
			t.Fatal(err)
		}
	}
	d := &archive.JobDocument{Namespace: "jobs", Job: *m.Job, Workloads: m.Workloads}
	d.Job.Conditions = []archive.Condition{{Type: "Failed", Status: "True"}}
	if _, err := b.sealer.Job(t.Context(), train, d); err != nil {
		t.Fatal(err)
	}
	return b
}

// oracleRequest is a request that is put to both.
type oracleRequest struct {
	path       string
	params     url.Values
	categorize bool
}

func (r oracleRequest) String() string {
	text := r.path + "?" + r.params.Encode()
	if r.categorize {
		text += " " + categorize
	}
	return text
}

// oracleRequests gives the requests. Most have the form in which Grafana or logcli puts them.
func oracleRequests() (all []oracleRequest) {
	from, to := fmt.Sprint(at(-time.Minute)), fmt.Sprint(at(20*time.Minute))
	add := func(path string, params ...string) {
		values := url.Values{}
		for i := 0; i+1 < len(params); i += 2 {
			values.Add(params[i], params[i+1])
		}
		r := oracleRequest{path: path, params: values}
		all = append(all, r)
		if path == "query_range" && strings.HasPrefix(values.Get("query"), "{") {
			r.categorize = true
			all = append(all, r)
		}
	}
	ranged := func(query string, more ...string) {
		add("query_range", append([]string{"query", query, "start", from, "end", to, "limit", "30"}, more...)...)
	}
	for _, query := range []string{
		`{namespace="jobs"}`, `{job="train"}`, `{job=~"tr.*"}`, `{job!="train", namespace="jobs"}`, `{job!~"tr.*", namespace="jobs"}`, `{state="failed"}`,
		`{job="none"}`, `{namespace="jobs"} |= "error"`, `{namespace="jobs"} != "level"`, `{namespace="jobs"} |~ "(?i)error"`, `{namespace="jobs"} !~ "level|epoch"`,
		`{namespace="jobs"} |= "error" or "warn"`, `{namespace="jobs"} |= "level" != "info" |~ "took"`, `{namespace="jobs"} | detected_level="error"`,
		`{namespace="jobs"} | detected_level=~"warn|debug"`, `{job="train"} | json`, `{job="train"} | json | loss > 0.1`, `{job="train"} | json | gpu_used="true" | took >= 100ms`,
		`{job="prepare"} | logfmt | ok="false"`, `{job="prepare"} | logfmt | bytes > 10KB`, `{job="prepare"} | logfmt | line_format "{{.file}} {{.bytes}}"`,
		`{job="train"} | pod="train-2"`, `{namespace="jobs"} | json | logfmt | drop __error__, __error_details__`, `{job="train"} | json | keep epoch`,
		`{job="train"} | json l="loss", g="gpu.name" | l > 0.2`, `{job="prepare"} | logfmt | label_format f=file`,
	} {
		ranged(query)
		ranged(query, "direction", "forward")
	}
	ranged(`{namespace="jobs"}`, "limit", "1")
	ranged(`{namespace="jobs"}`, "limit", "5", "direction", "FORWARD")
	ranged(`{namespace="jobs"}`, "limit", "7", "direction", "Backward", "interval", "60s")
	for _, query := range []string{
		`count_over_time({namespace="jobs"}[1m])`, `sum(count_over_time({namespace="jobs"}[1m]))`, `sum by (job) (count_over_time({namespace="jobs"}[5m]))`,
		`sum by (detected_level) (count_over_time({namespace="jobs"}[1m]))`, `sum by (level, detected_level) (count_over_time({job="train"}[1m]))`,
		`sum without (pod, uid, detected_level) (rate({namespace="jobs"}[2m]))`, `sum(rate({namespace="jobs"} |= "error" [2m]))`, `sum by (job) (bytes_over_time({namespace="jobs"}[3m]))`,
		`sum by (job) (bytes_rate({namespace="jobs"}[3m]))`, `topk(1, sum by (job) (bytes_over_time({namespace="jobs"}[5m])))`,
		`max by (job) (sum by (job, detected_level) (count_over_time({namespace="jobs"}[5m])))`, `min(sum by (job) (count_over_time({namespace="jobs"}[5m])))`,
		`sum(count_over_time({job="train"}[5m])) / sum(count_over_time({namespace="jobs"}[5m]))`, `sum(count_over_time({job="train"}[5m])) * 2 > 10`, `vector(1) + vector(1)`, `1 + 2 * 3`,
	} {
		for _, step := range []string{"60", "120s", "300000ms"} {
			add("query_range", "query", query, "start", from, "end", to, "step", step)
		}
		if query != "1 + 2 * 3" { // Loki's own time is wrong there
			add("query", "query", query, "time", fmt.Sprint(at(8*time.Minute)))
			add("query", "query", query, "time", start.Add(5*time.Minute).Format(time.RFC3339))
		}
	}
	add("query", "query", "vector(1)+vector(1)", "direction", "backward", "time", "4000000000")
	for _, path := range []string{"labels", "label/job/values", "label/detected_level/values", "label/none/values", "series"} {
		add(path, "start", from, "end", to)
		add(path, "start", from, "end", to, "query", `{job="train"}`)
	}
	add("series", "start", from, "end", to, "match[]", `{job="train"}`, "match[]", `{job="prepare"}`)
	add("series", "start", from, "end", to, "match", `{job=~"p.+"}`)
	add("detected_labels", "start", from, "end", to)
	return append(all, oracleMistakes(from, to)...)
}

// oracleMistakes are requests that are refused, or have an edge.
func oracleMistakes(from, to string) (all []oracleRequest) {
	for _, text := range []string{
		"query={job=", "query=", "query={}", `query={job="a"}&limit=0`, `query={job="a"}&limit=-1`, `query={job="a"}&limit=x`, `query={job="a"}&limit=5001`,
		`query={job="a"}&direction=up`, `query={job="a"}&start=20&end=10`, `query={job="a"}&step=-1`, `query={job="a"}&step=0`, `query={job="a"}&start=x`,
		`query={job="a"}&end=x`, `query={job="a"}&start=0&end=1795428000&step=1`, `query=count_over_time({job="a"}[1m])&start=1795420000&end=1795428000&step=0.5`, `query={job="a"} |`, `query={job="a"} |= `, `query=sum(`, `query={job="a"} | nosuch`,
		`query=rate({job="a"})`, `query=count_over_time({job="a"})`, `query={job=~"("}`, `query={job=""}`, `query={job=~".*"}`, `query={job="a"}&since=x`, `query={job="a"}&interval=-1`,
	} {
		values, err := url.ParseQuery(text)
		if err != nil {
			panic(err)
		}
		all = append(all, oracleRequest{path: "query_range", params: values})
	}
	for _, query := range []string{`{job="a"}`, `nosuch(1)`, `1 +`, `vector(`, `sum by (a (count_over_time({job="a"}[1m]))`} {
		all = append(all, oracleRequest{path: "query", params: url.Values{"query": {query}}})
	}
	same := url.Values{"query": {`{job="train"}`}, "start": {from}, "end": {from}}
	seconds := url.Values{"query": {`{job="train"}`}, "start": {"1795427000"}, "end": {"1795428200"}, "limit": {"3"}}
	fraction := url.Values{"query": {`{job="train"}`}, "start": {"1795427000.25"}, "end": {"1795428100.5004"}, "limit": {"3"}}
	rfc := url.Values{"query": {`{job="train"}`}, "start": {"2026-11-23T09:00:00Z"}, "end": {"2026-11-23T10:02:00.000000001Z"}, "limit": {"3"}}
	since := url.Values{"query": {`{job="train"}`}, "since": {"20m"}, "end": {to}, "limit": {"3"}}
	for _, values := range []url.Values{same, seconds, fraction, rfc, since} {
		all = append(all, oracleRequest{path: "query_range", params: values})
	}
	return all
}

// oracleAnswer gives an answer in a form that can be compared: without what it cost, and with its series in an order.
func oracleAnswer(status int, kind string, body []byte) string {
	if status != http.StatusOK {
		// what is wrong with a query, and where, is in our own words
		if before, _, syntax := bytes.Cut(body, []byte("parse error")); syntax {
			body = append(slices.Clone(before), "parse error"...)
		}
		return fmt.Sprintf("%d %s %s", status, kind, bytes.TrimSpace(body))
	}
	var document map[string]any
	if err := json.Unmarshal(body, &document); err != nil {
		return fmt.Sprintf("%d %s %v", status, kind, err)
	}
	if inner, ok := document["data"].(map[string]any); ok {
		delete(inner, "stats")
		sortSeries(inner["result"])
		dropOurs(inner["result"])
	}
	sortSeries(document["data"])
	sortSeries(document["detectedLabels"])
	text, err := json.Marshal(document)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", status, text)
}

// dropOurs takes the numbers of lines out of their metadata: Loki has none.
func dropOurs(list any) {
	all, _ := list.([]any)
	for _, one := range all {
		stream, _ := one.(map[string]any)
		values, _ := stream["values"].([]any)
		for _, value := range values {
			if v, _ := value.([]any); len(v) == 3 {
				if meta, ok := v[2].(map[string]any)["structuredMetadata"].(map[string]any); ok {
					delete(meta, metaLine)
				}
			}
		}
	}
}

func sortSeries(list any) {
	if all, ok := list.([]any); ok {
		if len(all) == 2 {
			if _, isTime := all[0].(float64); isTime {
				return // a scalar
			}
		}
		key := func(v any) string { text, _ := json.Marshal(v); return string(text) }
		slices.SortStableFunc(all, func(a, b any) int { return cmp.Compare(key(a), key(b)) })
	}
}

// ours gives this API's answer.
func (r oracleRequest) ours(b *bench) string {
	request := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, "/loki/api/v1/"+r.path+"?"+r.params.Encode(), nil)
	request.Header.Set("Authorization", "Bearer jane")
	if r.categorize {
		request.Header.Set(flagsHeader, categorize)
	}
	w := b.do(request)
	return oracleAnswer(w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
}

// TestAnswersAreLokis compares the answers with those that a real Loki gave.
func TestAnswersAreLokis(t *testing.T) {
	answers, differences := readOracle(t)
	b := oracleBench(t)
	for _, r := range oracleRequests() {
		name := r.String()
		want, ok := answers[name]
		if !ok {
			t.Errorf("%s: Loki was not asked; record its answers by make loki-oracle", name)
			continue
		}
		if status, text, _ := strings.Cut(want, " parse error"); text != "" {
			want = status + " parse error"
		}
		got, reason := r.ours(b), differences[name]
		delete(differences, name)
		switch {
		case got == want && reason != "":
			t.Errorf("%s: listed as another one for %q, and is the same", name, reason)
		case got != want && reason == "":
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
	for name, reason := range differences {
		t.Errorf("%s: listed (%s) and not asked", name, reason)
	}
}

func readOracle(t *testing.T) (answers, differences map[string]string) {
	t.Helper()
	file, err := os.Open(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	answers, differences = map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, answer, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			answers[name] = answer
		}
	}
	text, err = os.ReadFile(differencesFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, reason, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			differences[name] = reason
		}
	}
	return answers, differences
}
