//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/integration/controlplane"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// managed is an API server with the real controllers of Jobs, of their TTL and of garbage. It ends with the test
// binary.
var managed = sync.OnceValues(func() (*controlplane.ControlPlane, error) {
	cp, err := controlplane.New()
	if err == nil {
		err = cp.StartJobController()
	}
	return cp, err
})

// tidy returns settings of cleanup under which nothing goes by itself within a test.
func tidy() *config.Cleanup {
	return &config.Cleanup{
		Enabled: true, TTLSuccess: time.Hour, TTLFailure: time.Hour, OrphanTTL: time.Hour, Rate: 1000,
		Gate: config.GateAlways, GateDeadline: time.Hour, AdoptTTL: true,
	}
}

// house is a rig whose Jobs are real ones: a controller makes their pods, and a node runs them by a script.
type house struct {
	*rig
	mu   sync.Mutex
	pods map[string]*kubelet.Pod // guarded by mu; by name
}

// settle starts a daemon with a janitor, and a node that runs every pod by the script.
func settle(t *testing.T, set setting, script func(context.Context, *kubelet.Pod)) *house {
	h := newHouse(t, set, script)
	h.start()
	return h
}

// newHouse starts the node alone.
func newHouse(t *testing.T, set setting, script func(context.Context, *kubelet.Pod)) *house {
	t.Helper()
	if set.plane == nil {
		cp, err := managed()
		if err != nil {
			t.Fatal(err)
		}
		set.plane = cp
	}
	h := &house{rig: newRig(t, set), pods: map[string]*kubelet.Pod{}}
	if script != nil {
		ctx, cancel := context.WithCancel(context.Background())
		var node sync.WaitGroup
		node.Go(func() {
			// Gives an error only without a client.
			_ = h.node.Run(ctx, h.ns, func(ctx context.Context, p *kubelet.Pod) {
				h.mu.Lock()
				h.pods[p.Name()] = p
				h.mu.Unlock()
				script(ctx, p)
			})
		})
		t.Cleanup(func() { cancel(); node.Wait() })
	}
	return h
}

// quick is a container that writes and ends.
func quick(code int) func(context.Context, *kubelet.Pod) {
	return func(_ context.Context, p *kubelet.Pod) {
		c := p.Start("main")
		write(c, 0, 20)
		c.Exit(code)
	}
}

// chatty is a container that writes until it is ended.
func chatty(ctx context.Context, p *kubelet.Pod) {
	c := p.Start("main")
	for n := 0; !c.Ended() && ctx.Err() == nil; n++ {
		c.Write(time.Now(), fmt.Sprintf("line %d", n))
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-timer.C:
		case <-p.Stopping():
			c.Exit(143)
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// launch makes a Job whose pods a controller makes.
func (h *house) launch(name string, change func(*batchv1.Job)) *batchv1.Job {
	h.t.Helper()
	limit := int32(0)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}},
		Spec: batchv1.JobSpec{BackoffLimit: &limit, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
		}}},
	}
	if change != nil {
		change(job)
	}
	made, err := h.set.plane.Client().BatchV1().Jobs(h.ns).Create(h.ctx, job, metav1.CreateOptions{})
	if err != nil {
		h.t.Fatalf("create Job: %v", err)
	}
	return made
}

// get returns the Job as it is; nil: it is gone.
func (h *house) get(job *batchv1.Job) *batchv1.Job {
	h.t.Helper()
	got, err := h.set.plane.Client().BatchV1().Jobs(job.Namespace).Get(h.ctx, job.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && got.UID != job.UID {
		return nil
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// until waits for a change of the Job that makes something hold; nil stands for a Job that is gone.
func (h *house) until(what string, job *batchv1.Job, holds func(*batchv1.Job) bool) *batchv1.Job {
	h.t.Helper()
	jobs := h.set.plane.Client().BatchV1().Jobs(job.Namespace)
	for {
		current := h.get(job)
		if holds(current) {
			return current
		}
		if current == nil {
			h.t.Fatalf("waited for %s: the Job is gone", what)
		}
		w, err := jobs.Watch(h.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + job.Name, ResourceVersion: current.ResourceVersion})
		if err != nil {
			h.t.Fatalf("waited for %s: %v", what, err)
		}
		select {
		case <-w.ResultChan():
		case <-h.ctx.Done():
			h.t.Fatalf("waited for %s: %v; the Job is %+v", what, h.ctx.Err(), current)
		}
		w.Stop()
	}
}

func (h *house) untilGone(job *batchv1.Job) {
	h.t.Helper()
	h.until("the Job's deletion", job, func(j *batchv1.Job) bool { return j == nil })
}

func ends(j *batchv1.Job) bool {
	if j == nil {
		return false
	}
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// manifests waits until the archive has n manifests of the Job.
func (h *house) manifests(job *batchv1.Job, n int) []*archive.Manifest {
	h.t.Helper()
	var found []*archive.Manifest
	h.await(fmt.Sprintf("%d manifests of Job %s", n, job.Name), func() bool {
		found = nil
		ref := archive.PodRef{Namespace: job.Namespace, Job: job.Name, JobUID: archive.JobUID(job.UID)}
		for o, err := range h.set.store.List(h.ctx, ref.JobPrefix(), "") {
			if err != nil {
				h.t.Fatal(err)
			}
			if len(o.Key) < 14 || o.Key[len(o.Key)-14:] != "/manifest.json" {
				continue
			}
			body, _, err := h.set.store.Get(h.ctx, o.Key, archive.Range{})
			if err != nil {
				h.t.Fatal(err)
			}
			m, err := archive.ReadManifest(body)
			body.Close()
			if err != nil {
				h.t.Fatal(err)
			}
			found = append(found, m)
		}
		return len(found) >= n
	})
	return found
}

// events returns the reasons of the Events about the object that Epilogue made.
func (h *house) events(about metav1.Object) map[string]string {
	h.t.Helper()
	list, err := h.set.plane.Client().CoreV1().Events(h.ns).List(h.ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(about.GetUID())})
	if err != nil {
		h.t.Fatal(err)
	}
	said := map[string]string{}
	for _, e := range list.Items {
		if e.Source.Component == "epilogue" {
			said[e.Reason] = e.Message
		}
	}
	return said
}

// hear waits for an Event about the object that says something.
func (h *house) hear(about metav1.Object, reason, text string) {
	h.t.Helper()
	h.await("the Event "+reason, func() bool { return h.events(about)[reason] != "" })
	if said := h.events(about)[reason]; !strings.Contains(said, text) {
		h.t.Errorf("got Event %s %q, want one that says %q", reason, said, text)
	}
}

// podOf waits until the node runs a pod of the Job.
func (h *house) podOf(job *batchv1.Job) *kubelet.Pod {
	h.t.Helper()
	var found *kubelet.Pod
	h.await("a pod of "+job.Name, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for name, p := range h.pods {
			if len(name) > len(job.Name) && name[:len(job.Name)] == job.Name {
				found = p
			}
		}
		return found != nil
	})
	return found
}

func (h *house) delete(job *batchv1.Job, how metav1.DeletionPropagation) {
	h.t.Helper()
	if err := h.set.plane.Client().BatchV1().Jobs(h.ns).Delete(h.ctx, job.Name, metav1.DeleteOptions{PropagationPolicy: &how}); err != nil {
		h.t.Fatal(err)
	}
}

// written returns the number of lines that the pod's container wrote.
func (h *house) written(p *kubelet.Pod) int {
	n := 0
	for _, c := range p.Instances() {
		n += len(c.Lines())
	}
	return n
}

// witness makes a Job elsewhere, which nobody watches, that the TTL controller deletes so many seconds after its end.
func (h *house) witness(ttl int32) *batchv1.Job {
	h.t.Helper()
	ns := h.set.plane.Namespace(h.t)
	zero := int32(0)
	jobs := h.set.plane.Client().BatchV1().Jobs(ns)
	job, err := jobs.Create(h.ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "witness"},
		Spec: batchv1.JobSpec{Completions: &zero, TTLSecondsAfterFinished: &ttl, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		h.t.Fatal(err)
	}
	return job
}

// stop is a store that can be shut: every request fails until it is opened.
type stop struct {
	archive.Store
	mu   sync.Mutex
	shut bool // guarded by mu
}

var errShut = errors.New("store is shut by the test")

func newStop(s archive.Store) *stop { return &stop{Store: s} }

func (s *stop) close() { s.set(true) }
func (s *stop) open()  { s.set(false) }

func (s *stop) set(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = shut
}

func (s *stop) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return errShut
	}
	return nil
}

func (s *stop) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, body, opts)
}

func (s *stop) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	if err := s.err(); err != nil {
		return nil, archive.Object{}, err
	}
	return s.Store.Get(ctx, key, r)
}

func (s *stop) List(ctx context.Context, prefix string, after archive.Key) iter.Seq2[archive.Object, error] {
	if err := s.err(); err != nil {
		return func(yield func(archive.Object, error) bool) { yield(archive.Object{}, err) }
	}
	return s.Store.List(ctx, prefix, after)
}
