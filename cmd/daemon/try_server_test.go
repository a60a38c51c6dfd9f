package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// tried is an API server with a kubelet behind it, for one namespace: it lists and watches Jobs and pods, serves logs,
// and notes every request. What would change something it refuses.
type tried struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	history []happened          // guarded by mu
	logs    map[string][]string // guarded by mu; by pod, with times
	asked   []string            // guarded by mu; "GET list pods"
	refuse  string              // guarded by mu; a verb and a resource, such as "list jobs"
	status  int                 // guarded by mu; of every answer; 0: the usual ones
	changed chan struct{}       // guarded by mu; closed and replaced with each change
}

// happened is one change: what a watch sends. Its place in the history is its version.
type happened struct {
	resource, kind, name string
	object               runtime.Object
}

func newTried(t *testing.T) *tried {
	t.Helper()
	s := &tried{t: t, logs: map[string][]string{}, changed: make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	s.url = server.URL
	return s
}

// kubeconfig returns a file whose current context names the namespace.
func (s *tried) kubeconfig() string { return kubeconfigOf(s.t, s.url) }

func kubeconfigOf(t *testing.T, url string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u, namespace: jobs}}],
  clusters: [{name: c, cluster: {server: %q}}], users: [{name: u, user: {token: top-secret-token}}]}`, url)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// requests are those that came, each once.
func (s *tried) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.asked)
	slices.Sort(all)
	return slices.Compact(all)
}

// put makes an object, or changes it.
func (s *tried) put(object metav1.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object.SetResourceVersion(strconv.Itoa(len(s.history) + 1))
	h := happened{name: object.GetName(), kind: "ADDED", object: object.(runtime.Object)}
	switch o := object.(type) {
	case *batchv1.Job:
		h.resource, o.TypeMeta = "jobs", metav1.TypeMeta{Kind: "Job", APIVersion: "batch/v1"}
	case *corev1.Pod:
		h.resource, o.TypeMeta = "pods", metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
	}
	if slices.ContainsFunc(s.history, func(o happened) bool { return o.resource == h.resource && o.name == h.name }) {
		h.kind = "MODIFIED"
	}
	h.object = h.object.DeepCopyObject()
	s.history = append(s.history, h)
	s.tell()
}

// tell wakes watches and logs. Called with mu held.
func (s *tried) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *tried) write(pod, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs[pod] = append(s.logs[pod], time.Now().UTC().Format(time.RFC3339Nano)+" "+line+"\n")
	s.tell()
}

// job makes a Job with a pod of one container that runs.
func (s *tried) job(name string) (*batchv1.Job, *corev1.Pod) {
	now := metav1.Now()
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "jobs", UID: types.UID(name + "-uid"), CreationTimestamp: now}
	}
	job := &batchv1.Job{ObjectMeta: meta(name), Status: batchv1.JobStatus{Active: 1, StartTime: &now}}
	pod := &corev1.Pod{
		ObjectMeta: meta(name + "-x7k2p"),
		Spec:       corev1.PodSpec{NodeName: "node", RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "i"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", ContainerID: "containerd://" + name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		}}},
	}
	pod.GenerateName = name + "-"
	controller := true
	pod.Labels = map[string]string{"job-name": name}
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "batch/v1", Kind: "Job", Name: name, UID: job.UID, Controller: &controller,
	}}
	s.put(job)
	s.put(pod)
	return job, pod
}

// finish lets the pod and its Job succeed.
func (s *tried) finish(job *batchv1.Job, pod *corev1.Pod) {
	now := metav1.Now()
	status := &pod.Status.ContainerStatuses[0]
	status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ContainerID: status.ContainerID, Reason: "Completed", StartedAt: *pod.Status.StartTime, FinishedAt: now,
	}}
	pod.Status.Phase = corev1.PodSucceeded
	s.put(pod)
	job.Status = batchv1.JobStatus{Succeeded: 1, StartTime: job.Status.StartTime, CompletionTime: &now, Conditions: []batchv1.JobCondition{{
		Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now,
	}}}
	s.put(job)
}

// ServeHTTP notes the request by the verb by which Kubernetes' own authorization would take it.
func (s *tried) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(r.URL.Path, "/namespaces/")
	parts := strings.Split(rest, "/") // namespace, resource, name, subresource
	verb, resource := "get", "namespaces"
	if len(parts) > 1 {
		resource = parts[1]
		verb = map[bool]string{true: "list", false: "get"}[len(parts) == 2]
	}
	if len(parts) > 3 {
		resource += "/" + parts[3]
	}
	if r.URL.Query().Get("watch") == "true" {
		verb = "watch"
	}
	if r.Method != http.MethodGet {
		verb, resource = strings.ToLower(r.Method), path.Base(r.URL.Path)
		if len(parts) > 1 {
			resource = parts[1]
		}
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+verb+" "+resource)
	refused, status := verb+" "+resource == s.refuse, s.status
	s.mu.Unlock()
	switch {
	case status != 0:
		s.answer(w, status, metav1.StatusReasonUnknown)
	case refused:
		s.answer(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case r.Method != http.MethodGet:
		s.answer(w, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed)
	case parts[0] != "jobs":
		s.answer(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case verb == "watch":
		s.watch(w, r, resource)
	case verb == "list":
		s.list(w, resource)
	case resource == "pods/log":
		s.log(w, r, parts[2])
	default:
		s.get(w, resource, parts)
	}
}

func (s *tried) answer(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
	})
}

// now returns the objects of a resource as they are, and the version.
func (s *tried) now(resource string) (objects []runtime.Object, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := map[string]runtime.Object{}
	for _, h := range s.history {
		if h.resource == resource {
			newest[h.name] = h.object
		}
	}
	for _, o := range newest {
		objects = append(objects, o)
	}
	return objects, len(s.history)
}

func (s *tried) list(w http.ResponseWriter, resource string) {
	objects, version := s.now(resource)
	kinds := map[string]string{"jobs": "JobList", "pods": "PodList", "events": "EventList", "leases": "LeaseList"}
	groups := map[string]string{"jobs": "batch/v1", "leases": "coordination.k8s.io/v1"}
	group := groups[resource]
	if group == "" {
		group = "v1"
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": kinds[resource], "apiVersion": group, "items": objects, "metadata": map[string]any{"resourceVersion": strconv.Itoa(max(version, 1))},
	})
}

func (s *tried) get(w http.ResponseWriter, resource string, parts []string) {
	w.Header().Set("Content-Type", "application/json")
	if resource == "namespaces" {
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": parts[0]}})
		return
	}
	objects, _ := s.now(resource)
	for _, o := range objects {
		if o.(metav1.Object).GetName() == parts[2] {
			_ = json.NewEncoder(w).Encode(o)
			return
		}
	}
	s.answer(w, http.StatusNotFound, metav1.StatusReasonNotFound)
}

// watch sends what comes after the version that it is given. It knows nothing of streamed lists, and says so.
func (s *tried) watch(w http.ResponseWriter, r *http.Request, resource string) {
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		s.answer(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	at, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	encoder, flush := json.NewEncoder(w), http.NewResponseController(w)
	for {
		s.mu.Lock()
		changed, fresh := s.changed, slices.Clone(s.history[min(at, len(s.history)):])
		s.mu.Unlock()
		at += len(fresh)
		for _, h := range fresh {
			if h.resource == resource {
				_ = encoder.Encode(map[string]any{"type": h.kind, "object": h.object})
			}
		}
		_ = flush.Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// log is the kubelet's: lines from a second on, or the last ones; with follow until the pod has ended.
func (s *tried) log(w http.ResponseWriter, r *http.Request, pod string) {
	q := r.URL.Query()
	since, _ := time.Parse(time.RFC3339, q.Get("sinceTime"))
	tail, _ := strconv.Atoi(q.Get("tailLines"))
	limit, err := strconv.ParseInt(q.Get("limitBytes"), 10, 64)
	if err != nil {
		limit = 1 << 30
	}
	if objects, _ := s.now("pods"); !slices.ContainsFunc(objects, func(o runtime.Object) bool { return o.(metav1.Object).GetName() == pod }) {
		s.answer(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	flush := http.NewResponseController(w)
	for sent := 0; ; {
		s.mu.Lock()
		changed, lines := s.changed, slices.Clone(s.logs[pod])
		s.mu.Unlock()
		if tail > 0 && sent == 0 {
			sent = max(0, len(lines)-tail)
		}
		for ; sent < len(lines); sent++ {
			stamp, _, _ := strings.Cut(lines[sent], " ")
			at, _ := time.Parse(time.RFC3339Nano, stamp)
			if !at.Before(since) && limit > 0 {
				n, _ := io.WriteString(w, lines[sent][:min(int64(len(lines[sent])), limit)])
				limit -= int64(n)
			}
		}
		_ = flush.Flush()
		if q.Get("follow") != "true" || s.over(pod) {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *tried) over(pod string) bool {
	objects, _ := s.now("pods")
	return slices.ContainsFunc(objects, func(o runtime.Object) bool {
		p := o.(*corev1.Pod)
		return p.Name == pod && p.Status.Phase == corev1.PodSucceeded
	})
}
