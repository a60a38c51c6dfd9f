package loki

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
)

var (
	codec    = must(format.NewCodec())
	start    = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	workload = "11111111-2222-3333-4444-555555555555"
	usualPod = pod("jobs", "run", "1")
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pod names a pod of a Job.
func pod(namespace, job, n string) archive.PodRef {
	return archive.PodRef{
		Namespace: namespace, Job: job, JobUID: archive.JobUID(namespace + "-" + job + "-uid"),
		Pod: job + "-" + n, PodUID: archive.PodUID(namespace + "-" + job + "-" + n + "-uid"),
	}
}

// played knows users by their tokens, which are their names, and of whose logs each may read.
type played struct {
	mu     sync.Mutex
	rights map[string]bool // guarded by mu; "user namespace"
	asked  []access.Act    // guarded by mu
	fault  error           // guarded by mu
}

func (p *played) User(_ context.Context, h http.Header) (access.User, error) {
	token, err := access.Token(h)
	return access.User{Name: token}, err
}

func (p *played) May(_ context.Context, u access.User, a access.Act) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, a)
	if p.fault != nil {
		return p.fault
	}
	if a.Verb == "get" && a.Resource == "pods" && a.Subresource == "log" && p.rights[u.Name+" "+a.Namespace] {
		return nil
	}
	return apierrors.NewForbidden(schema.GroupResource{Resource: a.Resource}, a.Name, fmt.Errorf("User %q cannot in %q", u.Name, a.Namespace))
}

func (p *played) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// bench is an archive with its API.
type bench struct {
	t      testing.TB
	store  *storetest.Memory
	faulty *storetest.Faulty
	spool  *spool.Spool
	sealer *seal.Sealer
	reader *read.Reader
	access *played
	api    *serve.API
	now    time.Time
}

func newBench(t testing.TB) *bench { return newBenchWith(t, serve.Config{Namespace: "jobs"}, Config{}) }

func newBenchWith(t testing.TB, serving serve.Config, cfg Config) *bench {
	t.Helper()
	memory := storetest.NewMemory(t)
	b := &bench{t: t, store: memory, faulty: &storetest.Faulty{Store: memory}, now: start.Add(time.Hour)}
	b.access = &played{rights: map[string]bool{"jane jobs": true, "admin jobs": true, "admin secret": true}}
	log := slog.New(slog.DiscardHandler)
	b.spool = must(spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 30, Memory: 64 << 20, FlushInterval: time.Hour}, codec, log))
	b.sealer = seal.New(b.faulty, b.spool, "replica-0", log, func(error) {})
	b.reader = read.New(find.Config{Store: b.faulty, Codec: codec, Spool: b.spool, Replica: "replica-0"})
	b.api = serve.NewAPI(serving, serve.Parts{Access: b.access, Reader: b.reader, Objects: b.reader, Log: log})
	cfg.Reader, cfg.Store, cfg.May, cfg.Log, cfg.Now = b.reader, b.faulty, b.api.May, log, func() time.Time { return b.now }
	b.api.Add(Routes(cfg)...)
	return b
}

func instance(p archive.PodRef, container string) archive.Instance {
	return archive.Instance{PodRef: p, Container: container, Kind: archive.KindMain, ContainerID: "containerd://" + string(p.PodUID) + container}
}

func (b *bench) log(p archive.PodRef, container string) *spool.Log {
	b.t.Helper()
	l, err := b.spool.Log(instance(p, container))
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// at is a time so many nanoseconds after the start of all tests.
func at(after time.Duration) int64 { return start.Add(after).UnixNano() }

// write appends lines to the log of the pod's container main: a second apart, the first one at its number.
func (b *bench) write(p archive.PodRef, texts ...string) {
	b.t.Helper()
	l := b.log(p, "main")
	n := l.Summary().Lines
	for i, text := range texts {
		b.writeAt(p, at(time.Duration(n+int64(i))*time.Second), text)
	}
}

func (b *bench) writeAt(p archive.PodRef, at int64, texts ...string) {
	b.t.Helper()
	l := b.log(p, "main")
	for _, text := range texts {
		if _, err := l.Append(archive.Line{Time: at, Text: []byte(text)}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func manifestOf(p archive.PodRef) *archive.Manifest {
	return &archive.Manifest{
		Version:   "v1",
		Pod:       archive.PodSummary{PodRef: p, Phase: "Succeeded", CreatedAt: start},
		Job:       &archive.JobSummary{Name: p.Job, UID: p.JobUID, CreatedAt: start, Labels: map[string]string{"epilogue.dev/kind": "runner"}},
		Workloads: []string{workload},
	}
}

// draft says what is known of a pod that is open.
func (b *bench) draft(p archive.PodRef) {
	b.t.Helper()
	m := manifestOf(p)
	m.Instances = []archive.InstanceRecord{{Instance: instance(p, "main"), State: archive.ContainerState{StartedAt: start}}}
	if err := b.spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
		b.t.Fatal(err)
	}
}

// seal seals the pod with its container main, and writes its Job's document.
func (b *bench) seal(p archive.PodRef) {
	b.t.Helper()
	m := manifestOf(p)
	record, err := b.sealer.Log(b.t.Context(), b.log(p, "main"))
	if err != nil {
		b.t.Fatal(err)
	}
	m.Instances = append(m.Instances, record)
	b.sealAs(m, "Complete")
}

func (b *bench) sealAs(m *archive.Manifest, state string) {
	b.t.Helper()
	p := m.Pod.PodRef
	if err := b.sealer.Pod(b.t.Context(), m); err != nil {
		b.t.Fatal(err)
	}
	d := &archive.JobDocument{Namespace: p.Namespace, Job: *m.Job, Workloads: m.Workloads}
	d.Job.Conditions = []archive.Condition{{Type: state, Status: "True"}}
	if _, err := b.sealer.Job(b.t.Context(), p, d); err != nil {
		b.t.Fatal(err)
	}
	if err := b.spool.Drop(p.PodUID); err != nil {
		b.t.Fatal(err)
	}
}

// keep writes lines and seals them.
func (b *bench) keep(p archive.PodRef, texts ...string) {
	b.t.Helper()
	b.write(p, texts...)
	b.seal(p)
}

// request makes a request of a user's; params are name, value, name, value.
func (b *bench) request(user, path string, params ...string) *http.Request {
	b.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		values.Add(params[i], params[i+1])
	}
	if !strings.HasPrefix(path, "/") {
		path = "/loki/api/v1/" + path
	}
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path+"?"+values.Encode(), nil)
	r.Header.Set("Authorization", "Bearer "+user)
	return r
}

// ask asks as jane.
func (b *bench) ask(path string, params ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(b.request("jane", path, params...))
}

func (b *bench) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, r)
	return w
}

// answered decodes an answer of 200.
func answered[T any](t testing.TB, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s, want 200", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

// data is the form of most answers.
type data[T any] struct {
	Status string `json:"status"`
	Data   T      `json:"data"`
}

// result is that of a query.
type result struct {
	Type          string   `json:"resultType"`
	EncodingFlags []string `json:"encodingFlags"`
	Result        []series `json:"result"`
}

type series struct {
	Stream map[string]string `json:"stream,omitempty"`
	Metric map[string]string `json:"metric,omitempty"`
	Values [][]any           `json:"values,omitempty"`
	Value  []any             `json:"value,omitempty"`
}

// lines gives the texts of all lines of an answer, in the order of each stream.
func (r *result) lines() (texts []string) {
	for _, s := range r.Result {
		for _, v := range s.Values {
			texts = append(texts, v[1].(string))
		}
	}
	return texts
}

// byTime gives the texts of all lines of an answer, the oldest first.
func (r *result) byTime() (texts []string) {
	var all [][]any
	for _, s := range r.Result {
		all = append(all, s.Values...)
	}
	slices.SortFunc(all, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	for _, v := range all {
		texts = append(texts, v[1].(string))
	}
	return texts
}

// times bounds a query to all that the tests write.
func times(params ...string) []string {
	return append(params, "start", fmt.Sprint(at(-time.Hour)), "end", fmt.Sprint(at(time.Hour)))
}
