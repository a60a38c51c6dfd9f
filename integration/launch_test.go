//go:build integration

package integration

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/mark"
)

// launching is what a rig's daemon launches with.
type launching struct {
	config   launch.Config
	registry launch.Registry
}

func atLimit(n int) *launching {
	return &launching{config: launch.Config{
		Shape:  launch.Shape{ServiceAccount: "runner", BackoffLimit: new(int32(0)), BuilderImage: "registry.example/builder:1"},
		Limits: launch.Limits{Total: n, Queued: 100},
	}}
}

func workloadID(n int) string { return fmt.Sprintf("6f1c0e0a-5a4e-4d0b-9f39-%012d", n) }

func (h *house) run(r launch.Run) launch.Ref {
	h.t.Helper()
	if r.Image == "" {
		r.Image = "registry.example/main:1"
	}
	ref, err := h.daemon.launch.Start(h.ctx, r)
	if err != nil {
		h.t.Fatal(err)
	}
	return ref
}

func (h *house) ended(ref launch.Ref) launch.Status {
	h.t.Helper()
	s, err := h.daemon.launch.Wait(h.ctx, ref.Name)
	if err != nil || !s.State.Over() {
		h.t.Fatalf("%s: got %+v, %v, want an end; the daemon said:\n%s", ref.Name, s, err, h.daemon.said.String())
	}
	return s
}

func (h *house) jobOf(ref launch.Ref) *batchv1.Job {
	h.t.Helper()
	job := h.get(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: ref.Name, Namespace: h.ns, UID: ref.UID}})
	if job == nil {
		h.t.Fatalf("Job %s is gone", ref.Name)
	}
	return job
}

// census counts what runs on the node, and notes the order in which it began.
type census struct {
	now, most atomic.Int64
	mu        sync.Mutex
	order     []string // guarded by mu; of Jobs
}

// brief is a container that runs for a moment, under the eyes of the census.
func (c *census) brief(code int) func(context.Context, *kubelet.Pod) {
	return func(_ context.Context, p *kubelet.Pod) {
		n := c.now.Add(1)
		for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
		}
		c.mu.Lock()
		c.order = append(c.order, p.Object().Labels["job-name"])
		c.mu.Unlock()
		i := p.Start("main")
		write(i, 0, 20)
		timer := time.NewTimer(100 * time.Millisecond) // how long it runs
		<-timer.C
		c.now.Add(-1)
		i.Exit(code)
	}
}

// Twelve runs at limit 2, with two crashes of the daemon: never more than two run, each runs once and in its turn, and
// each is archived once. Real API server, real Job controller.
func TestLaunchedJobsRunInTheirTurn(t *testing.T) {
	var c census
	h := settle(t, setting{launching: atLimit(2), cleanup: tidy()}, c.brief(0))
	var refs []launch.Ref
	for n := range 12 {
		refs = append(refs, h.run(launch.Run{Workload: workloadID(n), Environment: map[string]string{"TOKEN": "s3cr3t"}}))
		if n == 4 || n == 9 {
			h.crash()
			h.start()
		}
	}
	for n, ref := range refs {
		if again := h.run(launch.Run{Workload: workloadID(n), Environment: map[string]string{"TOKEN": "other"}}); again.UID != ref.UID {
			t.Errorf("the same request again: got %+v, want %+v", again, ref)
		}
		if s := h.ended(ref); s.State != launch.Succeeded {
			t.Errorf("%s: got %+v, want succeeded", ref.Name, s)
		}
		if got := len(h.manifests(h.jobOf(ref), 1)); got != 1 {
			t.Errorf("%s: got %d manifests, want 1", ref.Name, got)
		}
	}
	if got := c.most.Load(); got != 2 {
		t.Errorf("at most %d ran at once, want 2", got)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.order) != len(refs) {
		t.Errorf("got %d pods, want %d", len(c.order), len(refs))
	}
	for i, name := range c.order {
		// Two that are started together may be taken up by the node in either order.
		near := refs[i].Name == name || i > 0 && refs[i-1].Name == name || i+1 < len(refs) && refs[i+1].Name == name
		if !near {
			t.Errorf("place %d: got %s, want %s", i, name, refs[i].Name)
		}
	}
}

// Two daemons that both believe that they own the queue.
func TestTwoLaunchersShareAQueue(t *testing.T) {
	var c census
	h := settle(t, setting{launching: atLimit(2)}, c.brief(0))
	first := h.daemon
	h.spoolDir += "-other"
	h.start()
	second := h.daemon
	t.Cleanup(first.stop)
	var refs []launch.Ref
	for n := range 12 {
		h.daemon = []*daemon{first, second}[n%2]
		refs = append(refs, h.run(launch.Run{Workload: workloadID(n)}))
	}
	h.daemon = second
	for _, ref := range refs {
		if s := h.ended(ref); s.State != launch.Succeeded {
			t.Errorf("%s: got %+v, want succeeded", ref.Name, s)
		}
	}
	if got := c.most.Load(); got != 2 {
		t.Errorf("at most %d ran at once, want 2", got)
	}
	if len(c.order) != len(refs) {
		t.Errorf("got %d pods, want %d", len(c.order), len(refs))
	}
}

// A Job that is cancelled while it waits fails without a pod; one that runs is ended gently, with its log kept. Both
// say why.
func TestCancel(t *testing.T) {
	h := settle(t, setting{launching: atLimit(1), cleanup: tidy()}, chatty)
	runs := h.run(launch.Run{Workload: workloadID(1)})
	waits := h.run(launch.Run{Workload: workloadID(2)})
	pod := h.podOf(h.jobOf(runs))
	h.await("lines", func() bool { return h.written(pod) > 3 })
	if s := h.daemon.launch.Jobs(workloadID(2)); len(s) != 1 || s[0].State != launch.Queued || s[0].Position != 1 {
		t.Errorf("got %+v, want it first in the queue", s)
	}
	if err := h.daemon.launch.Cancel(h.ctx, workloadID(2), "not wanted"); err != nil {
		t.Fatal(err)
	}
	if s := h.ended(waits); s.State != launch.Cancelled || s.Reason != "not wanted" {
		t.Errorf("got %+v, want cancelled with the reason", s)
	}
	if err := h.daemon.launch.Delete(h.ctx, workloadID(1)); err != nil {
		t.Fatal(err)
	}
	if s := h.ended(runs); s.State != launch.Cancelled {
		t.Errorf("got %+v, want cancelled", s)
	}
	// The janitor takes it away: its time to live is over as soon as its log is safe.
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: runs.Name, Namespace: h.ns, UID: runs.UID}}
	h.untilGone(job)
	m := h.manifests(job, 1)
	if len(m) != 1 || m[0].Instances[0].Verdict != archive.Complete {
		t.Errorf("got %+v, want one complete log", m)
	}
	pods, err := h.set.plane.Client().CoreV1().Pods(h.ns).List(h.ctx, metav1.ListOptions{LabelSelector: labels.Set{mark.WorkloadID: workloadID(2)}.String()})
	if err != nil || len(pods.Items) != 0 {
		t.Errorf("got pods %v, %v of a Job that never ran, want none", pods.Items, err)
	}
}

// A timeout ends the pod with its log in place, and the Job does not try again although it might.
func TestTimeout(t *testing.T) {
	l := atLimit(1)
	l.config.Shape.BackoffLimit = new(int32(3))
	h := settle(t, setting{launching: l, cleanup: tidy()}, chatty)
	ref := h.run(launch.Run{Workload: workloadID(1), Timeout: time.Second})
	s := h.ended(ref)
	if s.State != launch.Cancelled || !strings.Contains(s.Reason, "timeout") {
		t.Errorf("got %+v, want a timeout", s)
	}
	if m := h.manifests(h.jobOf(ref), 1); m[0].Instances[0].Verdict != archive.Complete {
		t.Errorf("got %+v, want a complete log", m[0].Instances[0])
	}
}

// shelf is a registry that holds what was pushed.
type shelf struct {
	mu   sync.Mutex
	held map[string]bool // guarded by mu
}

func (s *shelf) Has(_ context.Context, image string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[image], nil
}

func (s *shelf) Ready(context.Context, string) ([]byte, error) { return []byte(`{"auths": {}}`), nil }

func builds(s *shelf) *launching {
	l := atLimit(2)
	l.config.Images = launch.Images{Build: true, Registry: "registry.example"}
	l.registry = s
	return l
}

// A run that comes before its image is built waits for the build and then starts by itself; the image is not built
// again.
func TestBuildThenRun(t *testing.T) {
	s := &shelf{held: map[string]bool{}}
	release := make(chan struct{})
	h := settle(t, setting{launching: builds(s), cleanup: tidy()}, func(_ context.Context, p *kubelet.Pod) {
		i := p.Start("main")
		write(i, 0, 5)
		if p.Object().Labels[mark.Kind] == mark.Builder {
			<-release
		}
		i.Exit(0)
	})
	b := launch.Build{Workload: workloadID(1), Dockerfile: "FROM a\n", ImageName: "zenml-runner:0a1b"}
	built, err := h.daemon.launch.Build(h.ctx, b)
	if err != nil || built.Image != "registry.example/zenml-runner:0a1b" {
		t.Fatalf("got %+v, %v, want the full name", built, err)
	}
	runner := h.run(launch.Run{Workload: workloadID(1), Image: built.Image})
	h.podOf(h.jobOf(built))
	if s := h.daemon.launch.Jobs(workloadID(1)); len(s) != 2 || s[1].State != launch.Queued {
		t.Errorf("got %+v, want the runner to wait", s)
	}
	s.mu.Lock()
	s.held[built.Image] = true
	s.mu.Unlock()
	close(release)
	if s := h.ended(runner); s.State != launch.Succeeded {
		t.Errorf("got %+v, want succeeded", s)
	}
	again, err := h.daemon.launch.Build(h.ctx, launch.Build{Workload: workloadID(2), Dockerfile: "FROM a\n", ImageName: "zenml-runner:0a1b"})
	if err != nil || again.Name != "" || again.Image != built.Image {
		t.Errorf("got %+v, %v, want the image and no Job", again, err)
	}
	made, err := h.set.plane.Client().CoreV1().ConfigMaps(h.ns).List(h.ctx, metav1.ListOptions{LabelSelector: mark.Kind})
	if err != nil || len(made.Items) != 1 || made.Items[0].Data["Dockerfile"] != b.Dockerfile {
		t.Errorf("got %v, %v, want the Dockerfile", made.Items, err)
	}
}

// A build that fails fails the run, without a pod and with the end of its log.
func TestFailedBuildFailsTheRun(t *testing.T) {
	h := settle(t, setting{launching: builds(&shelf{held: map[string]bool{}}), cleanup: tidy()}, quick(1))
	built, err := h.daemon.launch.Build(h.ctx, launch.Build{Workload: workloadID(1), Dockerfile: "FROM a\n", ImageName: "zenml-runner:0a1b"})
	if err != nil {
		t.Fatal(err)
	}
	runner := h.run(launch.Run{Workload: workloadID(1), Image: built.Image})
	if s := h.ended(built); s.State != launch.Failed || !strings.Contains(s.Reason, "exit code 1") {
		t.Errorf("got %+v, want failed with the exit code", s)
	}
	s := h.ended(runner)
	if s.State != launch.Cancelled || !strings.Contains(s.Reason, built.Name+" failed") || !strings.Contains(s.Reason, "line 19") {
		t.Errorf("got %+v, want the build's failure and the end of its log", s)
	}
}

// The token is in one Secret that goes with the Job, and nowhere else: not in the Job, in Events, in the daemon's own
// log or in the archive.
func TestEnvironmentStaysInTheSecret(t *testing.T) {
	const token = "t0ken-that-never-expires"
	h := settle(t, setting{launching: atLimit(1), cleanup: tidy()}, quick(0))
	ref := h.run(launch.Run{Workload: workloadID(1), Environment: map[string]string{"ZENML_STORE_API_TOKEN": token}})
	h.ended(ref)
	job := h.jobOf(ref)
	h.manifests(job, 1)
	client := h.set.plane.Client()
	secrets, err := client.CoreV1().Secrets(h.ns).List(h.ctx, metav1.ListOptions{})
	if err != nil || len(secrets.Items) != 1 || string(secrets.Items[0].Data["ZENML_STORE_API_TOKEN"]) != token {
		t.Fatalf("got %d Secrets, %v, want the one with the token", len(secrets.Items), err)
	}
	if owner := secrets.Items[0].OwnerReferences; len(owner) != 1 || owner[0].UID != job.UID {
		t.Errorf("got owner %v, want the Job", owner)
	}
	pods, err := client.CoreV1().Pods(h.ns).List(h.ctx, metav1.ListOptions{})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("got %v, %v, want one pod", pods, err)
	}
	events, err := client.CoreV1().Events(h.ns).List(h.ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"the Job": job.String(), "the pod": pods.Items[0].String(), "Events": events.String(), "the daemon's log": h.daemon.said.String(),
		"the archive": h.wholeArchive(),
	} {
		if strings.Contains(text, token) {
			t.Errorf("the token stands in %s", what)
		}
	}
	if got := pods.Items[0].Spec.Containers[0].EnvFrom; len(got) != 1 || got[0].SecretRef.Name != secrets.Items[0].Name {
		t.Errorf("got environment from %v, want from the Secret", got)
	}
	h.delete(job, metav1.DeletePropagationBackground)
	h.await("the Secret's end", func() bool {
		secrets, err := client.CoreV1().Secrets(h.ns).List(h.ctx, metav1.ListOptions{})
		return err == nil && len(secrets.Items) == 0
	})
}

// wholeArchive returns every object of the store, keys and bytes.
func (h *house) wholeArchive() string {
	h.t.Helper()
	var all strings.Builder
	for o, err := range h.set.store.List(h.ctx, "", "") {
		if err != nil {
			h.t.Fatal(err)
		}
		body, _, err := h.set.store.Get(h.ctx, o.Key, archive.Range{})
		if err != nil {
			h.t.Fatal(err)
		}
		fmt.Fprintln(&all, o.Key)
		text, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			h.t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// A queue that is full says so, but not to who asks again.
func TestQueueIsBounded(t *testing.T) {
	l := atLimit(1)
	l.config.Limits.Queued = 2
	h := settle(t, setting{launching: l}, chatty)
	runs := h.run(launch.Run{Workload: workloadID(0)})
	h.podOf(h.jobOf(runs))
	for n := 1; n <= 2; n++ {
		h.run(launch.Run{Workload: workloadID(n)})
	}
	h.await("both in the cache", func() bool { waiting, _, _, _ := h.daemon.launch.Counts(); return waiting == 2 })
	_, err := h.daemon.launch.Start(h.ctx, launch.Run{Workload: workloadID(3), Image: "i"})
	if err == nil || !strings.Contains(err.Error(), "the queue is full: 2 Jobs wait, want at most 2") {
		t.Errorf("got %v, want the queue to be full", err)
	}
	h.run(launch.Run{Workload: workloadID(2)})
}
