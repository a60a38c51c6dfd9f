package loki

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/epilogue-dev/epilogue/serve"
)

// listener is a client who follows.
type listener struct {
	t    *testing.T
	conn *websocket.Conn
}

func (b *bench) listen(t *testing.T, params ...string) *listener {
	t.Helper()
	server := httptest.NewServer(b.api)
	t.Cleanup(server.Close)
	values := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		values.Set(params[i], params[i+1])
	}
	address := "ws" + strings.TrimPrefix(server.URL, "http") + "/loki/api/v1/tail?" + values.Encode()
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), address, http.Header{"Authorization": {"Bearer jane"}})
	if err != nil {
		t.Fatal(err, response)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &listener{t, conn}
}

// next gives the texts of the next n lines.
func (l *listener) next(n int) (texts []string) {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for len(texts) < n {
		_, text, err := l.conn.ReadMessage()
		if err != nil {
			l.t.Fatalf("after %q: %v", texts, err)
		}
		var m struct{ Streams []series }
		if err := json.Unmarshal(text, &m); err != nil {
			l.t.Fatalf("%v in %s", err, text)
		}
		r := &result{Result: m.Streams}
		texts = append(texts, r.byTime()...)
	}
	return texts
}

// TestTailToTheSeal: whoever follows hears what was there, what comes, the lines of a Job that is made meanwhile, each
// once and through the seal, and what could not be had.
func TestTailToTheSeal(t *testing.T) {
	b := newBenchWith(t, serve.Config{Namespace: "jobs"}, Config{Poll: 5 * time.Millisecond})
	b.draft(usualPod)
	b.write(usualPod, "one", "two")
	l := b.listen(t, "query", `{namespace="jobs"} != "secret"`, "start", "1795420000", "limit", "10")
	if got := l.next(2); !slices.Equal(got, []string{"one", "two"}) {
		t.Fatalf("got %q, want what was there", got)
	}
	b.write(usualPod, "three", "a secret")
	if got := l.next(1); got[0] != "three" {
		t.Fatalf("got %q, want what came", got)
	}
	b.write(usualPod, "four")
	b.seal(usualPod)
	if got := l.next(1); got[0] != "four" {
		t.Fatalf("got %q, want the last line", got)
	}
	b.keep(pod("secret", "hidden", "1"), "nobody's")
	later := pod("jobs", "later", "1")
	b.draft(later)
	b.write(later, "five")
	if got := l.next(1); got[0] != "five" {
		t.Fatalf("got %q, want the line of the Job that came", got)
	}
	b.keep(pod("jobs", "short", "1"), "six")
	if got := l.next(1); got[0] != "six" {
		t.Fatalf("got %q, want the line of the Job that came and went", got)
	}
}

// TestTailLosesTheRight: who may not read any more is told so.
func TestTailLosesTheRight(t *testing.T) {
	b := newBenchWith(t, serve.Config{Namespace: "jobs", Review: 5 * time.Millisecond}, Config{Poll: 5 * time.Millisecond})
	b.draft(usualPod)
	b.write(usualPod, "one")
	l := b.listen(t, "query", `{namespace="jobs"}`, "start", "1795420000")
	l.next(1)
	b.access.change(func() { b.access.rights = nil })
	_ = l.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, _, err := l.conn.ReadMessage()
	if !websocket.IsCloseError(err, websocket.ClosePolicyViolation, websocket.CloseInternalServerErr) || !strings.Contains(err.Error(), `"jane"`) {
		t.Errorf("got %v, want that jane may not", err)
	}
}

func TestTailRefuses(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		query, more string
		code        int
	}{
		{`{namespace="secret"}`, "", http.StatusForbidden},
		{`sum(rate({job="a"}[1m]))`, "", http.StatusBadRequest},
		{`{job=`, "", http.StatusBadRequest},
		{`{job="a"}`, "6", http.StatusBadRequest},
	} {
		if w := b.ask("tail", "query", test.query, "delay_for", test.more); w.Code != test.code {
			t.Errorf("%s: got %d %s, want %d", test.query, w.Code, w.Body, test.code)
		}
	}
}
