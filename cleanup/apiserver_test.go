package cleanup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/epilogue-dev/epilogue/watch/pods"
)

// apiServer keeps Jobs and pods as the real one does where it matters here: versions, preconditions, strategic merge
// patches, finalizers, and no scheduling of what is deleted. It is a transport, so that the real client speaks to it,
// in a bubble, too.
type apiServer struct {
	mu      sync.Mutex
	version int                           // guarded by mu
	serial  int                           // guarded by mu
	jobs    map[string]*batchv1.Job       // guarded by mu
	pods    map[string]*corev1.Pod        // guarded by mu
	crons   map[string]*batchv1.CronJob   // guarded by mu
	events  []*corev1.Event               // guarded by mu
	ending  *metav1.Time                  // guarded by mu; when the namespace was deleted
	parent  *metav1.PartialObjectMetadata // never changes
	ofJob   map[types.UID][]string        // guarded by mu; names of the pods that were made of a Job
	calls   map[string]int                // guarded by mu; requests of the client, by name of the object

	changed func(o metav1.Object, gone bool) // guarded by mu, called with it held; nil: nobody listens
	// Called with mu held, before the client's deletion is done.
	deletes func(o metav1.Object, how *metav1.DeleteOptions)

	hooks sync.Mutex // taken before mu
	// Guarded by hooks, called with it held before each request; an error is the answer.
	before func(verb, kind, name string) error
	// Guarded by hooks, called with it held after each request; an error takes the place of its answer.
	after func(verb, kind string) error
}

func (a *apiServer) pod(name string) *corev1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pods[name]
}

func newAPIServer() *apiServer {
	return &apiServer{jobs: map[string]*batchv1.Job{}, pods: map[string]*corev1.Pod{}, calls: map[string]int{}, ofJob: map[types.UID][]string{}}
}

func (a *apiServer) client() kubernetes.Interface {
	c, err := kubernetes.NewForConfig(&rest.Config{
		Host: "http://api", Transport: a, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
	})
	if err != nil {
		panic("cleanup: a plain configuration always makes a client: " + err.Error())
	}
	return c
}

// RoundTrip answers the requests that the janitor makes; any other one is a bug of the test.
func (a *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.URL.Path == "/apis/argoproj.io/v1" {
		return reply(http.StatusOK, metav1.APIResourceList{GroupVersion: "argoproj.io/v1", APIResources: []metav1.APIResource{
			{Name: "workflows/status", Kind: "Workflow", Namespaced: true}, {Name: "workflows", Kind: "Workflow", Namespaced: true},
		}})
	}
	at := slices.Index(parts, "namespaces")
	kind, name := "namespaces", parts[at+1]
	if len(parts) > at+2 {
		kind, name = parts[at+2], ""
	}
	if len(parts) > at+3 {
		name = parts[at+3]
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	answer, err := a.answer(r, kind, name, body)
	if lost := a.lost(r.Method, kind); lost != nil {
		err = lost
	}
	if err != nil {
		status := apierrors.NewInternalError(err)
		if known, ok := errors.AsType[*apierrors.StatusError](err); ok {
			status = known
		}
		return reply(int(status.ErrStatus.Code), status.ErrStatus)
	}
	return reply(http.StatusOK, answer)
}

func reply(code int, v any) (*http.Response, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text)),
	}, nil
}

func (a *apiServer) answer(r *http.Request, kind, name string, body []byte) (any, error) {
	if err := a.ask(r.Method, kind, name); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if kind == "events" {
		e := &corev1.Event{}
		if err := json.Unmarshal(body, e); err != nil {
			return nil, err
		}
		a.calls[e.InvolvedObject.Name]++
		a.events = append(a.events, e)
		return e, nil
	}
	if kind == "namespaces" {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, DeletionTimestamp: a.ending}}, nil
	}
	if kind == "workflows" {
		return a.parent, nil
	}
	if name == "" && kind == "jobs" {
		list := &batchv1.JobList{}
		for _, j := range a.jobs {
			list.Items = append(list.Items, *j.DeepCopy())
		}
		return list, nil
	}
	if name == "" {
		return a.list(r)
	}
	a.calls[name]++
	o := a.find(kind, name)
	if o == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
	}
	switch r.Method {
	case http.MethodGet:
		return o, nil
	case http.MethodPatch:
		return a.patch(o, body)
	case http.MethodDelete:
		options := &metav1.DeleteOptions{}
		if err := json.Unmarshal(body, options); err != nil {
			return nil, err
		}
		return o, a.remove(o, options, true)
	}
	return nil, fmt.Errorf("the test's API server knows no %s", r.Method)
}

// find returns the object that is kept; nil: there is none.
func (a *apiServer) find(kind, name string) metav1.Object {
	if j := a.jobs[name]; kind == "jobs" && j != nil {
		return j
	}
	if p := a.pods[name]; kind == "pods" && p != nil {
		return p
	}
	if c := a.crons[name]; kind == "cronjobs" && c != nil {
		return c
	}
	return nil
}

func (a *apiServer) list(r *http.Request) (any, error) {
	label, uid, _ := strings.Cut(r.URL.Query().Get("labelSelector"), "=")
	a.calls["list "+uid]++
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	for _, p := range a.pods {
		if p.Labels[label] == uid {
			list.Items = append(list.Items, *p.DeepCopy())
		}
	}
	return list, nil
}

func conflictOf(o metav1.Object) error {
	return apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, o.GetName(), errors.New("it has changed"))
}

func (a *apiServer) patch(o metav1.Object, patch []byte) (any, error) {
	var wants struct {
		Metadata struct {
			UID             types.UID
			ResourceVersion string
		}
	}
	if err := json.Unmarshal(patch, &wants); err != nil {
		return nil, err
	}
	if uid := wants.Metadata.UID; uid != "" && uid != o.GetUID() {
		return nil, conflictOf(o)
	}
	if v := wants.Metadata.ResourceVersion; v != "" && v != o.GetResourceVersion() {
		return nil, conflictOf(o)
	}
	old, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	merged, err := strategicpatch.StrategicMergePatch(old, patch, o)
	if err != nil {
		return nil, err
	}
	switch is := o.(type) {
	case *batchv1.Job:
		next := &batchv1.Job{}
		if err := json.Unmarshal(merged, next); err != nil {
			return nil, err
		}
		return next, a.take(is, next)
	case *corev1.Pod:
		next := &corev1.Pod{}
		if err := json.Unmarshal(merged, next); err != nil {
			return nil, err
		}
		return next, a.take(is, next)
	}
	return nil, errors.New("no such kind")
}

// take stores a patched object. One that the patch has left as it was gets no new version, and nobody hears of it.
// Called with mu held.
func (a *apiServer) take(old, next metav1.Object) error {
	if err := allowed(old, next); err != nil {
		return err
	}
	if !equality.Semantic.DeepEqual(old, next) {
		a.put(next)
	}
	return nil
}

// allowed: what is being deleted takes no finalizer any more.
func allowed(old, next metav1.Object) error {
	for _, f := range next.GetFinalizers() {
		if old.GetDeletionTimestamp() != nil && !slices.Contains(old.GetFinalizers(), f) {
			return apierrors.NewInvalid(schema.GroupKind{}, old.GetName(), nil)
		}
	}
	return nil
}

// put stores the next state of an object, which goes if it is deleted and nothing holds it. Called with mu held.
func (a *apiServer) put(o metav1.Object) {
	a.version++
	o.SetResourceVersion(strconv.Itoa(a.version))
	gone := o.GetDeletionTimestamp() != nil && len(o.GetFinalizers()) == 0
	if p, ok := o.(*corev1.Pod); ok && gone && p.Spec.NodeName != "" && !pods.Over(p) {
		gone = false // its kubelet ends it first
	}
	switch o := o.(type) {
	case *batchv1.Job:
		if a.jobs[o.Name] = o; gone {
			delete(a.jobs, o.Name)
		}
	case *corev1.Pod:
		if a.pods[o.Name] = o; gone {
			delete(a.pods, o.Name)
		}
	}
	if a.changed != nil {
		a.changed(o, gone)
	}
	if job, ok := o.(*batchv1.Job); ok && gone {
		a.collect(job)
	}
}

// collect is the garbage collector: pods whose Job is gone go, too. Called with mu held.
func (a *apiServer) collect(job *batchv1.Job) {
	for _, name := range a.ofJob[job.UID] {
		p := a.pods[name]
		if p != nil && p.DeletionTimestamp == nil && slices.ContainsFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == job.UID }) {
			_ = a.remove(p, &metav1.DeleteOptions{}, false) // without preconditions there is no error
		}
	}
}

// remove begins the deletion of an object. Called with mu held.
func (a *apiServer) remove(o metav1.Object, how *metav1.DeleteOptions, byClient bool) error {
	if p := how.Preconditions; p != nil {
		if p.UID != nil && *p.UID != o.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != o.GetResourceVersion() {
			return conflictOf(o)
		}
	}
	if byClient && a.deletes != nil {
		a.deletes(o, how)
	}
	next := copyOf(o)
	if next.GetDeletionTimestamp() == nil {
		now := metav1.Now()
		next.SetDeletionTimestamp(&now)
	}
	if how.PropagationPolicy != nil {
		extra := map[metav1.DeletionPropagation]string{
			metav1.DeletePropagationForeground: metav1.FinalizerDeleteDependents, metav1.DeletePropagationOrphan: metav1.FinalizerOrphanDependents,
		}[*how.PropagationPolicy]
		if extra != "" && !slices.Contains(next.GetFinalizers(), extra) {
			next.SetFinalizers(append(next.GetFinalizers(), extra))
		}
	}
	a.put(next)
	return nil
}

func copyOf(o metav1.Object) metav1.Object {
	if j, ok := o.(*batchv1.Job); ok {
		return j.DeepCopy()
	}
	return o.(*corev1.Pod).DeepCopy()
}

// edit changes an object as somebody else does. It does nothing where the object is gone.
func (a *apiServer) edit(o metav1.Object, change func(metav1.Object)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kind := "pods"
	if _, job := o.(*batchv1.Job); job {
		kind = "jobs"
	}
	current := a.find(kind, o.GetName())
	if current == nil || current.GetUID() != o.GetUID() {
		return
	}
	next := copyOf(current)
	change(next)
	a.put(next)
}

// create makes a Job, or a pod of one.
func (a *apiServer) create(o metav1.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	if o.GetUID() == "" {
		o.SetUID(types.UID(strings.ReplaceAll(fmt.Sprintf("%T-%d", o, a.serial)[1:], ".", "-"))) // a UID has no dot
	}
	for _, owner := range o.GetOwnerReferences() {
		a.ofJob[owner.UID] = append(a.ofJob[owner.UID], o.GetName())
	}
	o.SetNamespace("jobs")
	o.SetCreationTimestamp(metav1.NewTime(time.Now()))
	a.put(o)
}

func (a *apiServer) spent(name string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[name]
}

// said returns the reasons of the Events about an object, in order.
func (a *apiServer) said(name string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var reasons []string
	for _, e := range a.events {
		if e.InvolvedObject.Name == name {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}
