package serve

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

func decode(t testing.TB, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

const logPath = "/api/v1/namespaces/jobs/pods/run-abcde/log"

// routes are all that read, with what they ask for.
var readingRoutes = []struct{ path, right string }{
	{"/api/v1/namespaces/jobs/jobs", "list pods"},
	{"/api/v1/namespaces/jobs/jobs/run", "list pods"},
	{"/api/v1/namespaces/jobs/jobs/run/log", "get pods/log"},
	{logPath, "get pods/log"},
	{logPath + ".zst", "get pods/log"},
	{"/api/v1/namespaces/jobs/manifests/run-abcde", "get pods/log"},
	{"/api/v1/workloads/" + workload, "list pods"},
	{"/api/v1/workloads/" + workload + "/log", "get pods/log"},
}

// TestEveryRouteAsks: no route answers whom the API server does not know, or who lacks the right, and each does who has
// it. The pods of the namespace are long gone.
func TestEveryRouteAsks(t *testing.T) {
	s := newShelf(t)
	s.write(usualPod, "secret line")
	s.seal(usualPod, "main")
	for _, route := range readingRoutes {
		t.Run(route.path, func(t *testing.T) {
			w := s.askAs("", route.path)
			wantStatus(t, w, http.StatusUnauthorized, metav1.StatusReasonUnauthorized)
			if w.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 does not say how to come: no WWW-Authenticate")
			}
			wantStatus(t, s.askAs("stranger", route.path), http.StatusUnauthorized, metav1.StatusReasonUnauthorized)
			refusal := wantStatus(t, s.askAs("joe", route.path), http.StatusForbidden, metav1.StatusReasonForbidden)
			if !strings.Contains(refusal.Message, `"joe"`) {
				t.Errorf("refusal %q does not name the user", refusal.Message)
			}
			s.access.rights = map[string]bool{"joe " + route.right + " jobs": true}
			defer func() { s.access.rights = newPlayed().rights }()
			if w := s.askAs("joe", route.path); w.Code != http.StatusOK {
				t.Errorf("with the right %q: got %d %s, want 200", route.right, w.Code, w.Body)
			}
		})
	}
	s.access.fault = apierrors.NewServiceUnavailable("API server is down")
	if got, want := s.ask(logPath).Code, http.StatusServiceUnavailable; got != want {
		t.Errorf("without an API server: got %d, want %d", got, want)
	}
}

// TestRightsOfOneNamespaceAreNoneOfAnother: a workload may have Jobs in both.
func TestRightsOfOneNamespaceAreNoneOfAnother(t *testing.T) {
	s := newShelf(t)
	s.write(usualPod, "line")
	s.seal(usualPod, "main")
	s.write(secretPod, "secret line")
	s.seal(secretPod, "main")
	path := "/api/v1/workloads/" + workload
	for _, test := range []struct{ user, query, want, withheld string }{
		{"jane", "", "line\n", "1"}, // nobody takes a log from its readers by a Job of the same id elsewhere
		{"jane", "?namespace=jobs", "line\n", ""},
		{"admin", "", "line\nsecret line\n", ""},
		{"admin", "?namespace=secret", "secret line\n", ""},
	} {
		w := s.askAs(test.user, path+"/log"+test.query)
		if w.Code != http.StatusOK || w.Body.String() != test.want || w.Header().Get(headerWithheld) != test.withheld {
			t.Errorf("%s%s: got %d %q, withheld %q, want %q, %q", test.user, test.query, w.Code, w.Body, w.Header().Get(headerWithheld), test.want, test.withheld)
		}
	}
	wantStatus(t, s.ask(path+"/log?namespace=secret"), http.StatusForbidden, metav1.StatusReasonForbidden)
	var found wire.Workload
	decode(t, s.ask(path).Body.Bytes(), &found)
	if len(found.Jobs) != 1 || found.Jobs[0].Namespace != "jobs" {
		t.Errorf("got Jobs %+v, want the one of the namespace that she may list", found.Jobs)
	}
	// Nobody learns which workloads exist by asking.
	unknown := s.askAs("joe", "/api/v1/workloads/00000000-0000-0000-0000-000000000000/log")
	wantStatus(t, unknown, http.StatusForbidden, metav1.StatusReasonForbidden)
	wantStatus(t, s.askAs("joe", path+"/log?container=none"), http.StatusForbidden, metav1.StatusReasonForbidden)
}

func TestPodIsNamedToTheAuthorizer(t *testing.T) {
	s := newShelf(t)
	s.ask(logPath)
	want := access.Act{Verb: "get", Resource: "pods", Subresource: "log", Namespace: "jobs", Name: "run-abcde"}
	if len(s.access.acts) != 1 || s.access.acts[0] != want {
		t.Errorf("asked for %+v, want %+v", s.access.acts, want)
	}
}

func TestErrorsAreStatuses(t *testing.T) {
	s := newShelf(t)
	s.write(usualPod, "line")
	s.seal(usualPod, "main")
	wantStatus(t, s.ask("/api/v2/anything"), http.StatusNotFound, metav1.StatusReasonNotFound)
	wantStatus(t, s.ask("/api/v1/namespaces/jobs/pods/none/log"), http.StatusNotFound, metav1.StatusReasonNotFound)
	wantStatus(t, s.ask("/api/v1/namespaces/jobs/jobs/none"), http.StatusNotFound, metav1.StatusReasonNotFound)
	wantStatus(t, s.ask("/api/v1/namespaces/jobs/jobs/none/log"), http.StatusNotFound, metav1.StatusReasonNotFound)
	wantStatus(t, s.ask("/api/v1/namespaces/jobs/manifests/none"), http.StatusNotFound, metav1.StatusReasonNotFound)
	wantStatus(t, s.ask("/api/v1/workloads/none"), http.StatusNotFound, metav1.StatusReasonNotFound)
	wantStatus(t, s.ask("/api/v1/workloads/none/log"), http.StatusNotFound, metav1.StatusReasonNotFound)
	for _, path := range []string{
		"/api/v1/namespaces/jobs/pods/..%2f..%2fsecret/log", "/api/v1/namespaces/jobs/jobs/.hidden",
		"/api/v1/namespaces/jobs/manifests/a%2fb", "/api/v1/workloads/a%2fb", "/api/v1/workloads/a%2fb/log",
	} {
		wantStatus(t, s.ask(path), http.StatusBadRequest, metav1.StatusReasonBadRequest)
	}
}

// TestStoreInTrouble: the client did nothing wrong, and is told when to come again.
func TestStoreInTrouble(t *testing.T) {
	s := newShelf(t)
	s.write(usualPod, "line")
	s.seal(usualPod, "main")
	s.breakStore()
	for _, route := range readingRoutes {
		w := s.ask(route.path)
		wantStatus(t, w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", route.path)
		}
	}
}

// TestAddedRoute: what is added asks as all routes do, and its errors become Statuses.
func TestAddedRoute(t *testing.T) {
	s := newShelf(t)
	var caller string
	s.api.Add(Route{
		Pattern: "POST /api/v1/namespaces/{namespace}/runs", Act: access.Act{Verb: "create", Group: "batch", Resource: "jobs"},
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			caller = Caller(r.Context()).Name
			if r.URL.Query().Has("full") {
				return apierrors.NewTooManyRequests("queue is full", 7)
			}
			if r.URL.Query().Has("broken") {
				return errors.New("broken")
			}
			w.WriteHeader(http.StatusCreated)
			return nil
		},
	})
	post := func(token, query string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/namespaces/jobs/runs"+query, strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		return w
	}
	if got, want := post("admin", "").Code, http.StatusCreated; got != want || caller != "admin" {
		t.Errorf("got %d by %q, want %d by admin", got, caller, want)
	}
	wantStatus(t, post("jane", ""), http.StatusForbidden, metav1.StatusReasonForbidden)
	w := post("admin", "?full")
	wantStatus(t, w, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
	if got, want := w.Header().Get("Retry-After"), "7"; got != want {
		t.Errorf("got Retry-After %q, want %q", got, want)
	}
	wantStatus(t, post("admin", "?broken"), http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
	if got, want := s.ask("/api/v1/namespaces/jobs/runs").Code, http.StatusNotFound; got != want {
		t.Errorf("GET of a route that takes POST: got %d, want %d", got, want)
	}
}

// TestFollowedWorkloadGetsAJobElsewhere: in a namespace whose logs the follower may not read. He hears nothing of it,
// and goes on.
func TestFollowedWorkloadGetsAJobElsewhere(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	resp := open(t, s.server().URL+"/api/v1/workloads/"+workload+"/log?follow=true")
	body := bufio.NewReader(resp.Body)
	next := func(want string) {
		t.Helper()
		if line, err := body.ReadString('\n'); err != nil || line != want+"\n" {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
	}
	next("one")
	s.draft(secretPod, "main")
	s.write(secretPod, "secret line")
	s.write(usualPod, "two")
	next("two")
	s.seal(secretPod, "main")
	s.write(usualPod, "three")
	next("three")
	s.seal(usualPod, "main")
	if rest := readAll(t, body); rest != "" {
		t.Errorf("after the end came %q", rest)
	}
}
