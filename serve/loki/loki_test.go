package loki

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// filled has a Job that has ended, one that runs, one in a namespace of its own, and one with a gap.
func filled(t testing.TB) *bench {
	b := newBench(t)
	b.keep(usualPod, "one", "two error", "three")
	b.draft(pod("jobs", "live", "1"))
	b.write(pod("jobs", "live", "1"), "so far", "level=warn msg=slow")
	b.keep(pod("secret", "hidden", "1"), "a secret")
	return b
}

func TestLabels(t *testing.T) {
	b := filled(t)
	for _, test := range []struct {
		name, path string
		params     []string
		want       string
	}{
		{"names", "labels", nil, "container job kind namespace service_name state verdict"},
		{"jobs", "label/job/values", nil, "live run"},
		{"of a query", "label/job/values", []string{"query", `{state="running"}`}, "live"},
		{"states", "label/state/values", nil, "running succeeded"},
		{"verdicts", "label/verdict/values", nil, "complete open"},
		{"namespaces", "label/namespace/values", nil, "jobs"},
		{"none", "label/no-such/values", nil, ""},
		{"before all", "label/job/values", []string{"start", "1000000000", "end", "1000000001"}, ""},
		{"by metadata", "label/job/values", []string{"query", `{pod="run-1"}`}, "run"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := answered[data[[]string]](t, b.ask(test.path, test.params...))
			if text := strings.Join(got.Data, " "); text != test.want || got.Status != "success" {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

func TestQueryRange(t *testing.T) {
	b := filled(t)
	for _, test := range []struct {
		name, query string
		params      []string
		want        string
	}{
		{"backward", `{job="run"}`, nil, "three,two error,one"},
		{"forward", `{job="run"}`, []string{"direction", "FORWARD"}, "one,two error,three"},
		{"limit", `{job="run"}`, []string{"limit", "1"}, "three"},
		{"filter", `{job="run"} |= "error"`, nil, "two error"},
		{"open", `{job="live"}`, []string{"direction", "forward"}, "so far,level=warn msg=slow"},
		{"level", `{namespace="jobs"} | detected_level="warn"`, nil, "level=warn msg=slow"},
		{"by pod", `{namespace="jobs"} | pod="run-1" |= "o"`, []string{"direction", "forward"}, "one,two error"},
		{"none", `{job="none"}`, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := b.ask("query_range", times(append(test.params, "query", test.query)...)...)
			got := answered[data[result]](t, w)
			texts := got.Data.byTime()
			if !slices.Contains(test.params, "forward") && !slices.Contains(test.params, "FORWARD") {
				slices.Reverse(texts)
			}
			if text := strings.Join(texts, ","); text != test.want || got.Data.Type != "streams" {
				t.Errorf("got %q, want %q: %s", text, test.want, w.Body)
			}
		})
	}
}

// TestNoRight: who may not read a namespace's logs sees no label of it, no value and no count, and what he names is
// refused.
func TestNoRight(t *testing.T) {
	b := filled(t)
	for _, path := range []string{
		"labels", "label/job/values", "label/namespace/values", "series", "index/stats", "index/volume", "index/volume_range",
		"detected_labels", "detected_fields", "detected_field/pod/values", "query_range", "query",
	} {
		params := []string{"query", `{namespace=~".+"}`}
		if path == "query" {
			params[1] = `sum by (namespace, job) (count_over_time({namespace=~".+"}[2h]))`
		}
		params = times(append(params, "time", "1795431000", "match[]", params[1])...)
		for user, hidden := range map[string][]string{"jane": {"secret", "hidden"}, "joe": {"jobs", "run", "live", "secret"}} {
			w := b.do(b.request(user, path, params...))
			if w.Code != http.StatusOK {
				t.Errorf("%s as %s: got %d %s", path, user, w.Code, w.Body)
			}
			for _, word := range hidden {
				if strings.Contains(w.Body.String(), word) {
					t.Errorf("%s as %s shows %q: %s", path, user, word, w.Body)
				}
			}
		}
		if path == "query" || strings.HasPrefix(path, "label/") && path != "label/job/values" {
			continue
		}
		params[1], params[5] = `{namespace="secret"}`, `{namespace="secret"}`
		if w := b.do(b.request("jane", path, params...)); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "hidden") {
			t.Errorf("%s of a namespace that jane may not read: got %d %s, want 403", path, w.Code, w.Body)
		}
	}
	if w := b.do(b.request("admin", "label/namespace/values", times()...)); !strings.Contains(w.Body.String(), "secret") {
		t.Errorf("admin does not see what jane may not: %s", w.Body)
	}
}

// TestCountsReadNoText: labels, volumes and counts of sealed logs read manifests and documents, and no byte of a log
// object.
func TestCountsReadNoText(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"a", "b", "c"} {
		b.keep(pod("jobs", name, "1"), "one", "two", "three")
	}
	b.faulty.Break(storetest.Fault{Op: storetest.OpGet, Key: "*.log.zst", Times: -1})
	for path, query := range map[string]string{
		"labels": "", "label/job/values": `{namespace="jobs"}`, "series": "", "index/stats": `{namespace="jobs"}`, "index/volume": `{namespace="jobs"}`,
		"index/volume_range": `{namespace="jobs"}`, "detected_labels": "", "query": `sum by (job) (count_over_time({namespace="jobs"}[1h]))`,
		"query_range": `sum(bytes_over_time({namespace="jobs"}[30m]))`,
	} {
		params := []string{"query", query, "time", "1795431000", "step", "7001", "match[]", query}
		if w := b.ask(path, times(params...)...); w.Code != http.StatusOK {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
	got := answered[data[result]](t, b.ask("query", "query", `sum by (job) (count_over_time({namespace="jobs"}[1h]))`, "time", "1795431000"))
	if len(got.Data.Result) != 3 || got.Data.Result[0].Value[1] != "3" {
		t.Errorf("got %+v, want three Jobs of 3 lines", got.Data.Result)
	}
	gets := b.faulty.Count(storetest.OpGet).Requests
	b.ask("index/volume", times("query", `{namespace="jobs"}`)...)
	if n := b.faulty.Count(storetest.OpGet).Requests - gets; n != 0 {
		t.Errorf("%d objects were read of Jobs that are known, want none", n)
	}
}

func TestHealth(t *testing.T) {
	b := newBench(t)
	got := answered[data[result]](t, b.ask("query", "query", "vector(1)+vector(1)", "time", "4000000000", "direction", "backward"))
	if r := got.Data.Result; got.Data.Type != "vector" || len(r) != 1 || r[0].Value[0] != 4e9 || r[0].Value[1] != "2" {
		t.Errorf("got %+v, want one sample of 2", got.Data)
	}
	for _, path := range []string{"/ready", "/loki/ready", "status/buildinfo", "drilldown-limits", "patterns"} {
		if w := b.ask(path); w.Code != http.StatusOK {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
}

// TestGap: a gap, and what nothing is kept of, is an entry of its own, which says why.
func TestGap(t *testing.T) {
	b := newBench(t)
	p := pod("jobs", "torn", "1")
	b.write(p, "one", "two")
	b.log(p, "main").Gap(archive.Gap{AfterLine: 2, From: at(1e9), Reason: archive.GapRotated, Detail: "a file was skipped"})
	b.write(p, "three")
	b.seal(p)
	m := manifestOf(pod("jobs", "never", "1"))
	m.Instances = []archive.InstanceRecord{{Instance: instance(m.Pod.PodRef, "main"), Verdict: archive.NeverStarted, Reason: "ErrImagePull: no such image"}}
	b.sealAs(m, "Failed")

	r := b.request("jane", "query_range", times("query", `{job="torn"}`, "direction", "forward")...)
	r.Header.Set(flagsHeader, categorize)
	got := answered[data[result]](t, b.do(r))
	var gaps, lines int
	for _, s := range got.Data.Result {
		for _, v := range s.Values {
			meta := v[2].(map[string]any)["structuredMetadata"].(map[string]any)
			if s.Stream["epilogue"] == "" {
				lines++
				continue
			}
			gaps++
			if text := "gap: lines are missing after line 2: rotated: a file was skipped"; s.Stream["epilogue"] != "gap" || v[1] != text || meta["reason"] != "rotated" || meta["pod"] != "torn-1" {
				t.Errorf("got %v %v", s.Stream, v)
			}
			if meta["time"] != "1795428001000000000" || v[0] != "1795428001000000001" {
				t.Errorf("the gap is not behind its line: %v", v)
			}
		}
	}
	if gaps != 1 || lines != 3 {
		t.Errorf("got %d gaps and %d lines, want 1 and 3", gaps, lines)
	}
	never := answered[data[result]](t, b.ask("query_range", times("query", `{epilogue!=""}`)...))
	if texts := never.Data.lines(); len(texts) != 2 || !slices.Contains(texts, "never-started: ErrImagePull: no such image") {
		t.Errorf("got %q", texts)
	}
}
