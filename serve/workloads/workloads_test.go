package workloads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/epilogue-dev/epilogue/archive/message"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/contract"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// played is a launcher that notes what it is asked.
type played struct {
	err      error
	run      launch.Run
	build    launch.Build
	said     []string
	messages []message.Message
	waited   time.Duration
}

func (p *played) Start(_ context.Context, r launch.Run) (launch.Ref, error) {
	p.run = r
	return launch.Ref{Name: "runner-1", UID: "uid", Image: r.Image}, p.err
}

func (p *played) Build(_ context.Context, b launch.Build) (launch.Ref, error) {
	p.build = b
	if b.ImageName == "there:1" {
		return launch.Ref{Image: "host/there:1"}, p.err
	}
	return launch.Ref{Name: "builder-1", Image: "host/" + b.ImageName}, p.err
}

func (p *played) Cancel(_ context.Context, workload, why string) error {
	p.said = append(p.said, "cancel "+workload+" "+why)
	return p.err
}

func (p *played) Delete(_ context.Context, workload string) error {
	p.said = append(p.said, "delete "+workload)
	return p.err
}

func (p *played) Wait(ctx context.Context, name string) (launch.Status, error) {
	if deadline, ok := ctx.Deadline(); ok {
		p.waited = time.Until(deadline)
	}
	return launch.Status{Name: name, Workload: "w", State: launch.Failed, Reason: "exit code 3"}, p.err
}

func (p *played) Jobs(workload string) []launch.Status {
	return []launch.Status{{Name: "a", Workload: workload, State: launch.Succeeded}, {Name: "b", Workload: workload, State: launch.Queued, Position: 1}}
}

// rights lets everybody in, and allows one verb on Jobs.
type rights struct{ verb string }

func (r rights) User(context.Context, http.Header) (access.User, error) {
	return access.User{Name: "zenml"}, nil
}

func (r rights) May(_ context.Context, _ access.User, act access.Act) error {
	if act.Group == "batch" && act.Resource == "jobs" && act.Verb == r.verb && act.Namespace == "jobs" {
		return nil
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: act.Group, Resource: act.Resource}, act.Name, errors.New(act.Verb))
}

func (p *played) ask(t *testing.T, verb, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	api := serve.NewAPI(serve.Config{Namespace: "jobs"}, serve.Parts{Access: rights{verb}, Log: slog.New(slog.DiscardHandler)})
	api.Add(Routes(Config{Namespace: "jobs", Launcher: p, Queue: p, Keep: func(_ context.Context, m message.Message) error {
		p.messages = append(p.messages, m)
		return p.err
	}})...)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, "/api/v1/namespaces/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	api.ServeHTTP(w, r)
	documentOf(t, api).Check(t, r, []byte(body), w)
	return w
}

// documentOf is what the API says of itself.
func documentOf(t *testing.T, api *serve.API) *contract.Document {
	t.Helper()
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.yaml", nil))
	d, err := contract.Read(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDocumentHasEveryRoute: and each with its method.
func TestDocumentHasEveryRoute(t *testing.T) {
	d := documentOf(t, serve.NewAPI(serve.Config{}, serve.Parts{Log: slog.New(slog.DiscardHandler)}))
	for _, route := range Routes(Config{}) {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if _, err := d.Parameters(httptest.NewRequestWithContext(t.Context(), method, strings.NewReplacer("{", "", "}", "").Replace(path), nil)); err != nil {
			t.Error(err)
		}
	}
}

func TestRun(t *testing.T) {
	p := &played{}
	w := p.ask(t, "create", "POST", "jobs/workloads/w/runs", `{"image": "i", "command": ["c"], "arguments": ["a"], "environment": {"T": "s"},
		"timeout_in_seconds": 180, "request_id": "r", "a_later_field": {"x": 1}}`)
	want := launch.Run{Workload: "w", Image: "i", Command: []string{"c"}, Arguments: []string{"a"}, Environment: map[string]string{"T": "s"},
		Timeout: 3 * time.Minute, RequestID: "r"}
	if w.Code != http.StatusAccepted || !reflect.DeepEqual(p.run, want) {
		t.Errorf("got %d %s and %+v, want %+v", w.Code, w.Body, p.run, want)
	}
	var ref map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &ref); err != nil || ref["name"] != "runner-1" || ref["workload_id"] != "w" || ref["image"] != "i" {
		t.Errorf("got %s, %v, want the Job", w.Body, err)
	}
	w = p.ask(t, "create", "POST", "jobs/workloads/w/runs", `{"image": "i", "sync": true}`)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"state":"failed"`) {
		t.Errorf("got %d %s, want the Job's end", w.Code, w.Body)
	}
}

func TestBuild(t *testing.T) {
	p := &played{}
	w := p.ask(t, "create", "POST", "jobs/workloads/w/builds", `{"workload_type": "snapshot", "dockerfile": "FROM a", "image_name": "r:1"}`)
	if want := (launch.Build{Workload: "w", Dockerfile: "FROM a", ImageName: "r:1"}); w.Code != http.StatusAccepted || p.build != want {
		t.Errorf("got %d and %+v, want %+v", w.Code, p.build, want)
	}
	w = p.ask(t, "create", "POST", "jobs/workloads/w/builds", `{"dockerfile": "FROM a", "image_name": "there:1", "sync": true}`)
	if got, want := strings.TrimSpace(w.Body.String()), `{"image":"host/there:1"}`; w.Code != http.StatusOK || got != want {
		t.Errorf("got %d %s, want %s", w.Code, got, want)
	}
}

func TestMessage(t *testing.T) {
	p := &played{}
	w := p.ask(t, "create", "POST", "jobs/workloads/w/messages", `{"message": "Starting pipeline run.", "time": "2026-11-24T06:00:00.123456+00:00"}`)
	want := message.Message{Workload: "w", Time: time.Date(2026, 11, 24, 6, 0, 0, 123456000, time.UTC), Text: "Starting pipeline run."}
	if w.Code != http.StatusCreated || len(p.messages) != 1 || p.messages[0].Text != want.Text || !p.messages[0].Time.Equal(want.Time) {
		t.Errorf("got %d and %+v, want %+v", w.Code, p.messages, want)
	}
	if w := p.ask(t, "create", "POST", "jobs/workloads/w/messages", `{"message": "now"}`); w.Code != http.StatusCreated || time.Since(p.messages[1].Time) > time.Minute {
		t.Errorf("got %d and %+v, want the time of now", w.Code, p.messages)
	}
	for _, said := range []string{"9999-01-01T00:00:00Z", "0005-01-01T00:00:00Z"} { // these would stay for ever
		w := p.ask(t, "create", "POST", "jobs/workloads/w/messages", `{"message": "x", "time": "`+said+`"}`)
		if got := p.messages[len(p.messages)-1].Time; w.Code != http.StatusCreated || time.Since(got).Abs() > time.Minute {
			t.Errorf("%s: got %d and the time %s, want that of now", said, w.Code, got)
		}
	}
}

func TestTheRest(t *testing.T) {
	p := &played{}
	for _, test := range []struct{ verb, method, path, body, want string }{
		{"patch", "POST", "jobs/workloads/w/cancel", `{"reason": "enough"}`, "{}"},
		{"delete", "DELETE", "jobs/workloads/w", "", "{}"},
		{"list", "GET", "jobs/workloads/w/jobs", "", `"name":"a"`},
		{"list", "GET", "jobs/queue", "", `{"jobs":[{"name":"b"`},
		{"get", "GET", "jobs/workloads/w/jobs/j?wait=25s", "", `"reason":"exit code 3"`},
	} {
		w := p.ask(t, test.verb, test.method, test.path, test.body)
		if w.Code >= 300 || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %s: got %d %s, want %s", test.method, test.path, w.Code, w.Body, test.want)
		}
	}
	if got, want := fmt.Sprint(p.said), "[cancel w enough delete w]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if p.waited < 20*time.Second || p.waited > 25*time.Second {
		t.Errorf("waited for %s, want 25s", p.waited)
	}
}

func TestRefusals(t *testing.T) {
	full := fmt.Errorf("%w: 2 wait", launch.ErrFull)
	tests := []struct {
		name, verb, method, path, body string
		err                            error
		code                           int
		want                           string
	}{
		{"may not", "get", "POST", "jobs/workloads/w/runs", "{}", nil, http.StatusForbidden, "forbidden"},
		// Nobody learns more.
		{"another namespace", "create", "POST", "other/workloads/w/runs", "{}", nil, http.StatusForbidden, "forbidden"},
		{"full", "create", "POST", "jobs/workloads/w/runs", "{}", full, http.StatusTooManyRequests, "2 wait"},
		{"invalid", "create", "POST", "jobs/workloads/w/builds", "{}", fmt.Errorf("%w: image", launch.ErrInvalid), http.StatusUnprocessableEntity, "image"},
		{"no such Job", "get", "GET", "jobs/workloads/w/jobs/j", "", launch.ErrNotFound, http.StatusNotFound, "no such Job"},
		{"of another workload", "get", "GET", "jobs/workloads/w2/jobs/j", "", nil, http.StatusNotFound, "j of workload w2"},
		{"trouble", "delete", "DELETE", "jobs/workloads/w", "", errors.New("etcd is away"), http.StatusServiceUnavailable, "etcd is away"},
		{"no JSON", "create", "POST", "jobs/workloads/w/runs", `{"environment": {"T": "s3cr3t"`, nil, http.StatusBadRequest, "want a JSON object"},
		{"bad JSON", "create", "POST", "jobs/workloads/w/runs", `{"a": s3cr3t}`, nil, http.StatusBadRequest, "none at byte 7"},
		{"wrong type", "create", "POST", "jobs/workloads/w/runs", `{"command": "s3cr3t"}`, nil, http.StatusBadRequest, "command: want []string, found string"},
		{"wrong wait", "get", "GET", "jobs/workloads/w/jobs/j?wait=1d", "", nil, http.StatusBadRequest, "parameter wait"},
		{"empty message", "create", "POST", "jobs/workloads/w/messages", "{}", nil, http.StatusUnprocessableEntity, "message: 0 bytes"},
		{"too large", "create", "POST", "jobs/workloads/w/runs", `{"image": "` + strings.Repeat("a", mostBody) + `"}`, nil, http.StatusRequestEntityTooLarge, "at most"},
		{"the cluster's no", "create", "POST", "jobs/workloads/w/runs", "{}", apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "j", errors.New("quota")),
			http.StatusUnprocessableEntity, "the cluster refuses the Job"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := (&played{err: test.err}).ask(t, test.verb, test.method, test.path, test.body)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) || strings.Contains(w.Body.String(), "s3cr3t") {
				t.Errorf("got %d %s, want %d that says %s", w.Code, w.Body, test.code, test.want)
			}
			if test.err == full && w.Header().Get("Retry-After") != "10" {
				t.Errorf("got Retry-After %q, want 10", w.Header().Get("Retry-After"))
			}
		})
	}
}

// TestStatesAreTheClients: the launcher's states are the words by which a client tells what has ended.
func TestStatesAreTheClients(t *testing.T) {
	states := map[launch.State]string{
		launch.Queued: wire.Queued, launch.Running: wire.Running, launch.Succeeded: wire.Succeeded, launch.Failed: wire.Failed,
		launch.Cancelled: wire.Cancelled,
	}
	for state, want := range states {
		sent := launchedOf(launch.Status{State: state})
		if sent.State != want || sent.Over() != state.Over() {
			t.Errorf("%s is sent as %s, over %t, want %s, over %t", state, sent.State, sent.Over(), want, state.Over())
		}
	}
}
