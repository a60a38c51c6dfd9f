package serve

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/serve/access"
)

// change changes what the API server would say.
func (p *played) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// TestRightsAreAskedForAgain: whoever loses a right, or his token, while he follows a log is told so, and hears no more
// of it.
func TestRightsAreAskedForAgain(t *testing.T) {
	for _, test := range []struct {
		name, path string
		lose       func(*played)
		code       int
	}{
		{"right", logPath, func(p *played) { delete(p.rights, "jane get pods/log jobs") }, http.StatusForbidden},
		{"token", logPath, func(p *played) { delete(p.users, "jane") }, http.StatusUnauthorized},
		{"right to a workload's log", "/api/v1/workloads/" + workload + "/log", func(p *played) { delete(p.rights, "jane get pods/log jobs") }, http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShelfWith(t, Config{Namespace: "jobs", Review: time.Millisecond})
			s.draft(usualPod, "main")
			s.write(usualPod, "one")
			body := bufio.NewReader(open(t, s.server().URL+test.path+"?follow&format=sse").Body)
			for line := ""; line != "\n"; { // one event
				var err error
				if line, err = body.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			s.access.change(func() { test.lose(s.access) })
			var rest bytes.Buffer
			_, err := rest.ReadFrom(body)
			want := fmt.Sprintf(`"code":%d`, test.code)
			if got := rest.String(); err == nil || !strings.Contains(got, "event: error\n") || !strings.Contains(got, want) {
				t.Errorf("got %q, %v, want an error of %s and the answer cut off", got, err, want)
			}
		})
	}
}

// TestRightsWhileNobodyCanBeAsked: whoever was let in stays while the API server is away.
func TestRightsWhileNobodyCanBeAsked(t *testing.T) {
	s := newShelfWith(t, Config{Namespace: "jobs", Review: time.Millisecond})
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	body := bufio.NewReader(open(t, s.server().URL+logPath+"?follow").Body)
	if line, err := body.ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	asked := make(chan struct{}, 1)
	s.access.change(func() { s.access.fault, s.access.asked = apierrors.NewServiceUnavailable("API server is down"), asked })
	for range 3 {
		<-asked
	}
	s.write(usualPod, "two")
	if line, err := body.ReadString('\n'); err != nil || line != "two\n" {
		t.Errorf("got %q, %v, want the next line", line, err)
	}
}

// TestRightsOfWhatIsForwarded: this replica cuts off what another one answers, too.
func TestRightsOfWhatIsForwarded(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	front := s.behind(s.server().URL)
	front.api = NewAPI(Config{Namespace: "jobs", Audience: audience, Review: time.Millisecond}, front.parts)
	body := bufio.NewReader(open(t, front.server().URL+logPath+"?follow", ours...).Body)
	if line, err := body.ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	s.access.change(func() { delete(s.access.rights, "jane get pods/log jobs") })
	if rest, err := body.ReadString('\n'); err == nil || rest != "" {
		t.Errorf("got %q, %v, want the answer cut off", rest, err)
	}
}

// TestPlainRefusals: a route for clients of another API says why in plain words, to who is nobody and to who may not.
func TestPlainRefusals(t *testing.T) {
	s := newShelf(t)
	s.api.Add(Route{
		Pattern: "GET /plain/{namespace}", Act: access.ReadLogs, Plain: true,
		Handle: func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.Write([]byte("yes"))
			return err
		},
	})
	for _, test := range []struct {
		user, want string
		code       int
	}{{"jane", "yes", http.StatusOK}, {"joe", `pods is forbidden: User "joe" cannot`, http.StatusForbidden}, {"stranger", "nobody's token", http.StatusUnauthorized}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/plain/jobs", nil)
		r.Header.Set("Authorization", "Bearer "+test.user)
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		if w.Code != test.code || w.Body.String() != test.want {
			t.Errorf("%s: got %d %q, want %d %q", test.user, w.Code, w.Body, test.code, test.want)
		}
		if kind := w.Header().Get("Content-Type"); test.code != http.StatusOK && kind != "text/plain; charset=utf-8" {
			t.Errorf("%s: got %s, want plain text", test.user, kind)
		}
	}
}
