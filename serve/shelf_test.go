package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/serve/access"
)

var (
	audience  = "epilogue"
	codec     = must(format.NewCodec())
	start     = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	workload  = "11111111-2222-3333-4444-555555555555"
	usualPod  = archive.PodRef{Namespace: "jobs", Job: "run", JobUID: "job-uid", Pod: "run-abcde", PodUID: "pod-uid"}
	otherPod  = archive.PodRef{Namespace: "jobs", Job: "build", JobUID: "build-uid", Pod: "build-xyz", PodUID: "build-pod-uid"}
	secretPod = archive.PodRef{Namespace: "secret", Job: "run", JobUID: "secret-uid", Pod: "run-secret", PodUID: "secret-pod-uid"}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// played knows users by their tokens, and rights by "user verb resource namespace".
type played struct {
	users  map[string]string
	rights map[string]bool

	mu    sync.Mutex
	acts  []access.Act    // guarded by mu
	fault error           // guarded by mu
	asked chan<- struct{} // guarded by mu; hears of questions for users; nil: nobody does
}

func newPlayed() *played {
	return &played{
		users: map[string]string{"jane": "jane", "joe": "joe", "admin": "admin"},
		rights: map[string]bool{
			"jane get pods/log jobs": true, "jane list pods jobs": true,
			"admin get pods/log jobs": true, "admin list pods jobs": true, "admin get pods/log secret": true, "admin list pods secret": true,
			"admin create jobs jobs": true,
		},
	}
}

func (p *played) User(_ context.Context, h http.Header) (access.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.asked <- struct{}{}:
	default:
	}
	if p.fault != nil {
		return access.User{}, p.fault
	}
	token, err := access.Token(h)
	if err != nil {
		return access.User{}, err
	}
	if name, ok := p.users[subject(token)]; ok {
		return access.User{Name: name}, nil
	}
	return access.User{}, apierrors.NewUnauthorized("nobody's token")
}

// tokenFor returns a token of somebody's for these audiences.
func tokenFor(name string, audiences ...string) string {
	claims := must(json.Marshal(map[string]any{"sub": name, "aud": audiences}))
	return "head." + base64.RawURLEncoding.EncodeToString(claims) + ".signature"
}

// subject returns whose a token is: a plain one is its owner's name.
func subject(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return token
	}
	var claims struct{ Sub string }
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	_ = json.Unmarshal(text, &claims)
	return claims.Sub
}

func (p *played) May(_ context.Context, u access.User, a access.Act) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acts = append(p.acts, a)
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	if p.rights[fmt.Sprintf("%s %s %s %s", u.Name, a.Verb, resource, a.Namespace)] {
		return nil
	}
	return apierrors.NewForbidden(schema.GroupResource{Resource: a.Resource}, a.Name, fmt.Errorf("User %q cannot", u.Name))
}

// shelf is an archive with its API.
type shelf struct {
	t      testing.TB
	store  *storetest.Memory
	faulty *storetest.Faulty
	spool  *spool.Spool
	sealer *seal.Sealer
	reader *read.Reader
	access *played
	parts  Parts
	api    *API
	ours   bool // whoever asks has a token for this API alone
}

func newShelf(t testing.TB) *shelf { return newShelfWith(t, Config{Namespace: "jobs"}) }

func newShelfWith(t testing.TB, cfg Config) *shelf {
	t.Helper()
	memory := storetest.NewMemory(t)
	s := &shelf{t: t, store: memory, faulty: &storetest.Faulty{Store: memory}, access: newPlayed()}
	var err error
	log := slog.New(slog.DiscardHandler)
	s.spool, err = spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 30, Memory: 64 << 20, FlushInterval: time.Hour}, codec, log)
	if err != nil {
		t.Fatal(err)
	}
	s.sealer = seal.New(s.faulty, s.spool, "replica-0", log, func(error) {})
	s.reader = read.New(find.Config{Store: s.faulty, Codec: codec, Spool: s.spool, Replica: "replica-0"})
	s.parts = Parts{Access: s.access, Reader: s.reader, Objects: s.reader, Log: log}
	s.api = NewAPI(cfg, s.parts)
	return s
}

func instance(pod archive.PodRef, container string) archive.Instance {
	return archive.Instance{PodRef: pod, Container: container, Kind: archive.KindMain, ContainerID: "containerd://" + string(pod.PodUID) + container}
}

func (s *shelf) log(pod archive.PodRef, container string) *spool.Log {
	s.t.Helper()
	l, err := s.spool.Log(instance(pod, container))
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// write appends lines to the open log of the pod's container "main", with times a second apart.
func (s *shelf) write(pod archive.PodRef, texts ...string) {
	s.t.Helper()
	l := s.log(pod, "main")
	n := l.Summary().Lines
	for i, text := range texts {
		line := archive.Line{Time: start.Add(time.Duration(n+int64(i)) * time.Second).UnixNano(), Text: []byte(text)}
		if _, err := l.Append(line); err != nil {
			s.t.Fatal(err)
		}
	}
}

func manifestOf(pod archive.PodRef) *archive.Manifest {
	return &archive.Manifest{
		Version:   "v1",
		Pod:       archive.PodSummary{PodRef: pod, Phase: "Succeeded", CreatedAt: start},
		Job:       &archive.JobSummary{Name: pod.Job, UID: pod.JobUID, CreatedAt: start, Labels: map[string]string{"kind": pod.Job}},
		Workloads: []string{workload},
	}
}

// draft says what is known of a pod that is open.
func (s *shelf) draft(pod archive.PodRef, containers ...string) {
	s.t.Helper()
	m := manifestOf(pod)
	for _, c := range containers {
		m.Instances = append(m.Instances, archive.InstanceRecord{Instance: instance(pod, c)})
	}
	if err := s.spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
		s.t.Fatal(err)
	}
}

// seal seals the pod, and writes the document of its Job.
func (s *shelf) seal(pod archive.PodRef, containers ...string) {
	s.t.Helper()
	m := manifestOf(pod)
	for _, c := range containers {
		record, err := s.sealer.Log(s.t.Context(), s.log(pod, c))
		if err != nil {
			s.t.Fatal(err)
		}
		m.Instances = append(m.Instances, record)
	}
	s.sealAs(m)
}

func (s *shelf) sealAs(m *archive.Manifest) {
	s.t.Helper()
	pod := m.Pod.PodRef
	if err := s.sealer.Pod(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
	d := &archive.JobDocument{Namespace: pod.Namespace, Job: *m.Job, Workloads: m.Workloads}
	state := "Complete"
	if m.Pod.Phase == "Failed" {
		state = "Failed"
	}
	d.Job.Conditions = []archive.Condition{{Type: state, Status: "True"}}
	if _, err := s.sealer.Job(s.t.Context(), pod, d); err != nil {
		s.t.Fatal(err)
	}
	if err := s.spool.Drop(pod.PodUID); err != nil {
		s.t.Fatal(err)
	}
}

// ask sends a request as jane and returns the answer.
func (s *shelf) ask(path string, header ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.askAs("jane", path, header...)
}

func (s *shelf) askAs(token, path string, header ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, path, nil)
	if s.ours && token != "" {
		token = tokenFor(token, audience)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	document().Check(s.t, r, nil, w)
	return w
}

// server serves the API on the loopback.
func (s *shelf) server() *httptest.Server {
	server := httptest.NewServer(s.api)
	s.t.Cleanup(server.Close)
	return server
}

// open sends a request as jane to a server and returns the answer, whose body is read as it comes.
func open(t testing.TB, url string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer jane")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func wantStatus(t testing.TB, w *httptest.ResponseRecorder, code int, reason metav1.StatusReason) metav1.Status {
	t.Helper()
	var s metav1.Status
	decode(t, w.Body.Bytes(), &s)
	if w.Code != code || int(s.Code) != code || s.Reason != reason || s.Kind != "Status" || s.APIVersion != "v1" {
		t.Errorf("got code %d and %s, want a Status of %d %s", w.Code, w.Body, code, reason)
	}
	return s
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// breakStore makes every request to the store fail from now on.
func (s *shelf) breakStore() {
	s.faulty.Break(
		storetest.Fault{Op: storetest.OpGet, Times: -1}, storetest.Fault{Op: storetest.OpList, Times: -1},
	)
}

// breakLater has reads of log objects fail once some were answered.
func (s *shelf) breakLater() {
	s.faulty.Break(storetest.Fault{Op: storetest.OpGet, Key: "*.log.zst", Skip: 2, Times: -1})
}

// damage changes one byte of a stored object.
func (s *shelf) damage(key archive.Key, at int) {
	s.t.Helper()
	raw, ok := s.store.Bytes(key)
	if !ok {
		s.t.Fatalf("no object %s", key)
	}
	raw = bytes.Clone(raw)
	raw[at] ^= 1
	s.store.MayReplace = func(k archive.Key) bool { return k == key }
	if err := s.store.Put(s.t.Context(), key, bytes.NewReader(raw), archive.PutOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// noise returns n letters that do not get smaller by much, the same for the same seed.
func noise(n, seed int) string {
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(62)]
	}
	return string(b)
}
