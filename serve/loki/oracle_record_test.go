//go:build oracle

package loki

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRecord pushes the lines to the Loki at EPILOGUE_LOKI, which has no others, puts the requests to it and keeps its
// answers.
func TestRecord(t *testing.T) {
	base := os.Getenv("EPILOGUE_LOKI")
	if base == "" {
		t.Fatal("EPILOGUE_LOKI is not set: run make loki-oracle")
	}
	b := oracleBench(t)
	n := push(t, base, b)
	awaitLines(t, base, n)
	var kept bytes.Buffer
	for _, r := range oracleRequests() {
		fmt.Fprintf(&kept, "%s\t%s\n", r, strings.ReplaceAll(askLoki(t, base, r), "\n", " "))
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(kept.Bytes())
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = os.WriteFile(answersFile, packed.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests, %d bytes of answers, %d packed", len(oracleRequests()), kept.Len(), packed.Len())
}

// push gives Loki what our API shows, with the same labels and metadata but those that Loki finds out itself, and those
// of single lines.
func push(t *testing.T, base string, b *bench) (n int) {
	t.Helper()
	r := b.request("jane", "query_range", times("query", `{namespace="jobs"}`, "direction", "forward", "limit", "5000")...)
	r.Header.Set(flagsHeader, categorize)
	got := answered[data[result]](t, b.do(r))
	var body struct {
		Streams []series `json:"streams"`
	}
	for _, s := range got.Data.Result {
		for _, v := range s.Values {
			meta := v[2].(map[string]any)["structuredMetadata"].(map[string]any)
			for _, name := range []string{metaLevel, metaLine, metaTime} {
				delete(meta, name)
			}
			v[2] = meta
			n++
		}
		body.Streams = append(body.Streams, series{Stream: s.Stream, Values: s.Values})
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(base+"/loki/api/v1/push", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusNoContent {
		t.Fatalf("push: %s %s", answer.Status, text)
	}
	return n
}

func awaitLines(t *testing.T, base string, n int) {
	t.Helper()
	flushed, err := http.Post(base+"/flush", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer flushed.Body.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		for _, r := range oracleRequests() {
			if r.params.Get("query") == `sum(count_over_time({namespace="jobs"}[1m]))` && r.path == "query_range" {
				r.params.Set("query", `sum(count_over_time({namespace="jobs"}[1h]))`)
				if strings.Contains(askLoki(t, base, r), fmt.Sprintf("%q", fmt.Sprint(n))) {
					return
				}
			}
		}
		if time.Now().After(end) {
			t.Fatal("the lines do not show")
		}
	}
}

func askLoki(t *testing.T, base string, r oracleRequest) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/loki/api/v1/"+r.path+"?"+r.params.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.categorize {
		request.Header.Set(flagsHeader, categorize)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return oracleAnswer(answer.StatusCode, answer.Header.Get("Content-Type"), text)
}
