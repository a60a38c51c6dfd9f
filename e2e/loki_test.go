//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// lokiOutlivesThePod asks Loki's API for a log while it is written and when its pod is gone: the same lines by the same
// query, each once, and a stream that says how the Job stands. Who may not read it sees no label of it.
func lokiOutlivesThePod(t *testing.T, s *stage.Stage) {
	p := start(t, s, s.Job("queried", "until -rate 50 -last 100"), 3*minute)
	api, reader := p.api()+"/loki/api/v1/", p.token("reader")
	begin := time.Now().Add(-minute)
	query := func(token, path, query string, to any) int {
		end := time.Now().Add(minute)
		params := url.Values{
			"query": {query}, "start": {nano(begin)}, "end": {nano(end)}, "time": {nano(end)}, "limit": {"5000"}, "direction": {"forward"},
		}
		resp := p.ask(api+path+"?"+params.Encode(), token)
		if resp.StatusCode == http.StatusOK {
			if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
				t.Fatal(err)
			}
		}
		return resp.StatusCode
	}
	const ofJob = `{job="queried", verdict="`
	p.talking(50)
	var live streams
	if code := query(reader, "query_range", ofJob+`open"}`, &live); code != http.StatusOK || !live.inOrder() || live.lines() < 50 {
		t.Errorf("got %d with %s while it is written, want each of 50 lines and more once, in order", code, live)
	}
	p.deleteJob()
	pod := p.pod(ended("main"))
	truth := p.truth(pod)
	p.manifest()
	if err := s.AwaitNoPod(p.ctx, pod.Name); err != nil {
		t.Fatal(err)
	}
	var kept streams
	if code := query(reader, "query_range", ofJob+`complete"}`, &kept); code != http.StatusOK || !kept.inOrder() || int64(kept.lines()) != truth.Lines {
		t.Errorf("got %d with %s when all is gone, want %d lines, each once, in order", code, kept, truth.Lines)
	}
	var count struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	code := query(reader, "query", `sum(count_over_time(`+ofJob+`complete"}[10m]))`, &count)
	if want := strconv.FormatInt(truth.Lines, 10); code != http.StatusOK || len(count.Data.Result) != 1 || count.Data.Result[0].Value[1] != want {
		t.Errorf("got %d with %+v, want one sample of %s", code, count.Data.Result, want)
	}
	var values struct{ Data []string }
	stranger := p.token("stranger")
	if code := query(stranger, "label/job/values", "", &values); code == http.StatusOK && len(values.Data) > 0 {
		t.Errorf("who may not read sees the Jobs %q, want none", values.Data)
	}
	if code := query(stranger, "query_range", `{namespace="`+s.Jobs+`"}`, &values); code != http.StatusForbidden {
		t.Errorf("got %d for who may not read, want 403", code)
	}
}

func nano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// streams is Loki's answer to a query of lines.
type streams struct {
	Data struct {
		Result []struct {
			Stream map[string]string
			Values [][2]string
		}
	}
}

func (s streams) String() string {
	var said []string
	for _, r := range s.Data.Result {
		said = append(said, fmt.Sprintf("%d lines of %v", len(r.Values), r.Stream))
	}
	return fmt.Sprint(said)
}

func (s streams) lines() (n int) {
	for _, r := range s.Data.Result {
		n += len(r.Values)
	}
	return n
}

// inOrder reports whether there is one stream at most, with the sample's lines from the first one on.
func (s streams) inOrder() bool {
	if len(s.Data.Result) > 1 {
		return false
	}
	for _, r := range s.Data.Result {
		for n, v := range r.Values {
			words := strings.Fields(v[1]) // line, or last, and its number
			if got, err := strconv.Atoi(words[1]); err != nil || got != n+1 {
				return false
			}
		}
	}
	return true
}
