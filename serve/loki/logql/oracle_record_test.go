//go:build oracle

package logql

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRecordOracle pushes the lines to the Loki at EPILOGUE_LOKI (http://127.0.0.1:3100), asks it the queries, and
// keeps the answers. That Loki has no other lines, takes old ones, adds no labels of its own (discover_service_name:
// [], discover_log_levels: false) and asks its ingesters for any time (query_ingesters_within: 0).
func TestRecordOracle(t *testing.T) {
	base := os.Getenv("EPILOGUE_LOKI")
	if base == "" {
		t.Fatal("EPILOGUE_LOKI has to be the URL of a Loki")
	}
	pushOracle(t, base)
	var kept bytes.Buffer
	fmt.Fprintf(&kept, "Loki 3.7.8, %s\n", oracleBase.Format(time.RFC3339))
	for _, query := range oracleQueries() {
		fmt.Fprintf(&kept, "\n> %s\n%s", query, askOracle(t, base, query))
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(kept.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answersFile, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of answers, %d packed", kept.Len(), packed.Len())
}

// TestRandomOracle asks it, after TestRecordOracle, 500 more random queries, or as many as EPILOGUE_LOKI_QUERIES says,
// and compares. A difference is to be looked at: it need not be ours.
func TestRandomOracle(t *testing.T) {
	base := os.Getenv("EPILOGUE_LOKI")
	queries, err := strconv.Atoi(os.Getenv("EPILOGUE_LOKI_QUERIES"))
	if err != nil {
		queries = 500
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	source := oracleSource()
	for range queries {
		query := randomPiped(rng)
		if got, want := engineAnswer(t, query, source), askOracle(t, base, query); !sameAnswer(got, want) {
			t.Errorf("%s\n%s", query, apart(got, want))
		}
	}
}

func pushOracle(t *testing.T, base string) {
	t.Helper()
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][]any           `json:"values"`
	}
	var push struct {
		Streams []stream `json:"streams"`
	}
	for _, x := range oracleLines() {
		value := []any{strconv.FormatInt(x.Time, 10), x.Line}
		if x.Meta != nil {
			value = append(value, x.Meta)
		}
		push.Streams = append(push.Streams, stream{x.Labels, [][]any{value}})
	}
	body, err := json.Marshal(push)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(base+"/loki/api/v1/push", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusNoContent {
		t.Fatalf("push: %s %s", answer.Status, text)
	}
	waitOracle(t, base)
}

// waitOracle has the lines written out, and waits until all of them can be found.
func waitOracle(t *testing.T, base string) {
	t.Helper()
	if answer, err := http.Post(base+"/flush", "", nil); err != nil || answer.StatusCode != http.StatusNoContent {
		t.Fatalf("flush: %v %v", answer, err)
	}
	want := fmt.Sprintf("200 1\n{}%s", pointText(oracleBase.Add(oracleSpan), float64(len(oracleLines()))))
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(time.Second) {
		if askOracle(t, base, "instant\tsum(count_over_time({namespace=~\".+\"}[1h]))") == want {
			return
		}
	}
	t.Fatal("the lines that were pushed are not found")
}

// askOracle gives the answer as answerText does.
func askOracle(t *testing.T, base, query string) string {
	t.Helper()
	kind, text, _ := strings.Cut(query, "\t")
	end := strconv.FormatInt(oracleBase.Add(oracleSpan).UnixNano(), 10)
	path, values := "query", url.Values{"query": {text}, "time": {end}}
	if kind != "instant" {
		path, values = "query_range", url.Values{
			"query": {text}, "start": {strconv.FormatInt(oracleBase.UnixNano(), 10)}, "end": {end},
			"step": {oracleStep.String()}, "limit": {strconv.Itoa(oracleLimit)},
		}
	}
	switch kind {
	case "forward":
		values.Set("direction", "forward")
	case "every":
		values.Set("interval", oracleStep.String())
	}
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/loki/api/v1/"+path+"?"+values.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "categorized" {
		ask.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprintf("%d %s", answer.StatusCode, strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", " "))
	}
	r, err := readOracle(body)
	if err != nil {
		t.Fatalf("%s: %v: %s", query, err, body)
	}
	return answerText(r)
}

func readOracle(body []byte) (Result, error) {
	var x struct {
		Data struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &x); err != nil {
		return nil, err
	}
	if x.Data.ResultType == "scalar" {
		p, err := readPoint(x.Data.Result)
		return Scalar(p), err
	}
	var all []struct {
		Stream, Metric map[string]string
		Value          json.RawMessage
		Values         []json.RawMessage
	}
	if err := json.Unmarshal(x.Data.Result, &all); err != nil {
		return nil, err
	}
	streams, matrix, vector := Streams{}, Matrix{}, Vector{}
	for _, one := range all {
		stream, series := LogStream{Labels: NewLabels(one.Stream)}, Series{Labels: NewLabels(one.Metric)}
		if one.Value != nil {
			p, err := readPoint(one.Value)
			if err != nil {
				return nil, err
			}
			vector = append(vector, Sample{series.Labels, p})
		}
		for _, value := range one.Values {
			if x.Data.ResultType == "matrix" {
				p, err := readPoint(value)
				if err != nil {
					return nil, err
				}
				series.Points = append(series.Points, p)
				continue
			}
			entry, err := readEntry(value)
			if err != nil {
				return nil, err
			}
			stream.Entries = append(stream.Entries, entry)
		}
		streams, matrix = append(streams, stream), append(matrix, series)
	}
	return map[string]Result{"streams": streams, "matrix": matrix, "vector": vector}[x.Data.ResultType], nil
}

func readPoint(raw []byte) (Point, error) {
	var pair []any
	if err := json.Unmarshal(raw, &pair); err != nil {
		return Point{}, err
	}
	value, err := strconv.ParseFloat(fmt.Sprint(pair[1]), 64)
	return Point{Time: int64(pair[0].(float64) * 1e9), Value: value}, err
}

func readEntry(raw []byte) (entry LogEntry, err error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return entry, err
	}
	var at string
	var apart struct {
		StructuredMetadata, Parsed map[string]string
	}
	if len(parts) > 2 {
		err = json.Unmarshal(parts[2], &apart)
	}
	err = errors.Join(err, json.Unmarshal(parts[0], &at), json.Unmarshal(parts[1], &entry.Line))
	if err != nil {
		return entry, err
	}
	if len(apart.StructuredMetadata) > 0 {
		entry.Meta = NewLabels(apart.StructuredMetadata)
	}
	if len(apart.Parsed) > 0 {
		entry.Parsed = NewLabels(apart.Parsed)
	}
	entry.Time, err = strconv.ParseInt(at, 10, 64)
	return entry, err
}
