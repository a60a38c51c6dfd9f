//go:build integration

package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/integration/controlplane"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/mark"
)

// spy sees the daemon's requests for objects, before they are sent.
type spy struct {
	http.RoundTripper
	see func(*http.Request)
}

func (s spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.see(r)
	return s.RoundTripper.RoundTrip(r)
}

func spying(see func(*http.Request)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return spy{next, see} }
}

// TestKeepWinsTheRace: the owner annotates the Job when the deletion is decided and on its way.
func TestKeepWinsTheRace(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.TTLSuccess = 0
	var h *house
	var once sync.Once
	raced := make(chan struct{})
	h = settle(t, setting{cleanup: s, wrap: spying(func(r *http.Request) {
		if r.Method != http.MethodDelete || !strings.Contains(r.URL.Path, "/jobs/") {
			return
		}
		once.Do(func() {
			patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, mark.Keep)
			name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
			_, err := h.set.plane.Client().BatchV1().Jobs(h.ns).Patch(h.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			if err != nil {
				t.Error(err)
			}
			close(raced)
		})
	})}, quick(0))
	job := h.launch("kept", nil)
	<-raced
	h.await("the refusal", func() bool { return h.daemon.value("epilogue_deletions_blocked_total") > 0 })
	// Another one, finished later, goes: the janitor has had its time for both.
	h.untilGone(h.launch("other", nil))
	if j := h.get(job); j == nil || j.DeletionTimestamp != nil {
		t.Errorf("got %v, want the Job kept", j)
	}
}

// TestDryRun has all there is to do, and nothing done.
func TestDryRun(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.TTLSuccess, s.DryRun, s.Grace.ImagePull = 0, true, time.Second
	h := settle(t, setting{cleanup: s, wrap: spying(func(r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("got %s %s, want nothing changed", r.Method, r.URL.Path)
		}
	})}, func(ctx context.Context, p *kubelet.Pod) {
		if strings.HasPrefix(p.Name(), "stuck") {
			p.Wait("main", "ErrImagePull", "no such image")
			return
		}
		quick(0)(ctx, p)
	})
	ttl := int32(3600)
	stuck := h.launch("stuck", func(j *batchv1.Job) { j.Spec.TTLSecondsAfterFinished = &ttl })
	job := h.launch("over", nil)
	h.until("its end", job, ends)
	h.manifests(job, 1)
	would := func(action string) bool { return strings.Contains(h.daemon.said.String(), "would="+action) }
	for _, action := range []string{"hold", "adopt-ttl", "end-pod", "delete-job"} {
		h.await("word of "+action, func() bool { return would(action) })
	}
	for _, j := range []*batchv1.Job{job, stuck} {
		if now := h.get(j); now == nil || len(now.Finalizers) > 0 || len(now.Annotations) > 0 || now.DeletionTimestamp != nil {
			t.Errorf("got %+v, want it as it was made", now)
		}
	}
}

// TestGateDeadline has a store that is down for longer than the gate holds.
func TestGateDeadline(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.GateDeadline = 4 * time.Second
	store := newStop(storetest.NewMemory(t))
	h := settle(t, setting{cleanup: s, store: store}, func(ctx context.Context, p *kubelet.Pod) {
		c := p.Start("main")
		write(c, 0, 20)
		if err := c.WaitFollowed(ctx, 1); err != nil {
			t.Error(err)
		}
		c.Exit(0)
	})
	store.close()
	job := h.launch("late", nil)
	ended := h.until("its end under the gate", job, func(j *batchv1.Job) bool { return ends(j) && slices.Contains(j.Finalizers, mark.Finalizer) })
	h.delete(job, metav1.DeletePropagationBackground)
	h.untilGone(job)
	end := ended.Status.Conditions[len(ended.Status.Conditions)-1].LastTransitionTime
	if held := time.Since(end.Time); held < s.GateDeadline {
		t.Errorf("got it held for %s, want at least %s", held, s.GateDeadline)
	}
	h.hear(job, "LogsLost", "not all logs were in the archive")
	h.hear(job, "GateReleased", "let go")
	store.open()
	// What was read is archived all the same.
	if m := h.manifests(job, 1)[0]; m.Instances[0].Log == nil || m.Instances[0].Log.Lines != 20 {
		t.Errorf("got log %+v, verdict %s, want the 20 lines that were read", m.Instances[0].Log, m.Instances[0].Verdict)
	}
}

// TestStoreDownPastTheTTL deletes nothing until the store is back.
func TestStoreDownPastTheTTL(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.TTLSuccess = time.Second
	store := newStop(storetest.NewMemory(t))
	h := settle(t, setting{cleanup: s, store: store}, quick(0))
	store.close()
	job := h.launch("waits", nil)
	h.until("its end", job, ends)
	h.await("the deletion that is blocked", func() bool { return h.daemon.value("epilogue_deletions_blocked_total") > 0 })
	if j := h.get(job); j == nil || j.DeletionTimestamp != nil {
		t.Fatal("the Job was deleted while the store was down")
	}
	store.open()
	h.untilGone(job)
}

// TestAwayForADay has no daemon when a held Job ends and is deleted.
func TestAwayForADay(t *testing.T) {
	t.Parallel()
	h := settle(t, setting{cleanup: tidy()}, chatty)
	job := h.launch("left", nil)
	p := h.podOf(job)
	h.until("the gate", job, func(j *batchv1.Job) bool { return j.Status.Active > 0 && slices.Contains(j.Finalizers, mark.Finalizer) })
	h.await("its first line", func() bool { return h.written(p) > 0 })
	h.crash()
	for _, c := range p.Instances() {
		c.Exit(0)
	}
	h.until("its end", job, ends)
	h.delete(job, metav1.DeletePropagationBackground)
	if j := h.get(job); j == nil || j.DeletionTimestamp == nil {
		t.Fatalf("got %v, want it deleted and held", j)
	}
	h.start()
	h.untilGone(job)
	r := h.manifests(job, 1)[0].Instances[0]
	if r.Verdict != archive.Complete || len(h.lines(r)) != h.written(p) {
		t.Errorf("got verdict %s with %d lines, want all %d", r.Verdict, len(h.lines(r)), h.written(p))
	}
}

// TestWatchGoneAndCleanup: the API server is killed and its history compacted while a Job is held and another is due.
func TestWatchGoneAndCleanup(t *testing.T) {
	t.Parallel()
	own := controlplane.Start(t)
	if err := own.StartJobController(); err != nil {
		t.Fatal(err)
	}
	s := tidy()
	s.TTLSuccess = 5 * time.Second
	h := settle(t, setting{cleanup: s, plane: own}, quick(0))
	job := h.launch("due", nil)
	h.until("the open gate", job, func(j *batchv1.Job) bool { return j.Annotations[mark.Verdict] != "" })
	own.KillAPIServer()
	if err := own.Compact(h.ctx); err != nil {
		t.Fatal(err)
	}
	if err := own.RestartAPIServer(); err != nil {
		t.Fatal(err)
	}
	h.untilGone(job)
	h.untilGone(h.launch("next", nil))
}

// TestOrphanedPodLivesOn has a running Job deleted so that its pod stays: the pod is not ended, its log is kept whole
// under its Job, and it goes in the end.
func TestOrphanedPodLivesOn(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.OrphanTTL = time.Second
	h := settle(t, setting{cleanup: s}, chatty)
	job := h.launch("parent", nil)
	p := h.podOf(job)
	h.until("the gate", job, func(j *batchv1.Job) bool { return j.Status.Active > 0 && slices.Contains(j.Finalizers, mark.Finalizer) })
	h.delete(job, metav1.DeletePropagationOrphan)
	h.untilGone(job)
	pods := h.set.plane.Client().CoreV1().Pods(h.ns)
	alive, err := pods.Get(h.ctx, p.Name(), metav1.GetOptions{})
	if err != nil || alive.DeletionTimestamp != nil || alive.Spec.ActiveDeadlineSeconds != nil || len(alive.OwnerReferences) > 0 {
		t.Fatalf("got %+v, %v, want an orphan that runs", alive, err)
	}
	for _, c := range p.Instances() {
		c.Exit(0)
	}
	r := h.manifests(job, 1)[0].Instances[0]
	if r.Verdict != archive.Complete || len(h.lines(r)) != h.written(p) {
		t.Errorf("got verdict %s with %d lines, want all %d", r.Verdict, len(h.lines(r)), h.written(p))
	}
	h.await("the orphan's deletion", func() bool {
		_, err := pods.Get(h.ctx, p.Name(), metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// TestPodWithoutANode has no scheduler: the pod is deleted after its grace, and explained before it is gone.
func TestPodWithoutANode(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.Grace.Schedule = 2 * time.Second
	h := settle(t, setting{cleanup: s}, nil)
	job := h.launch("nowhere", nil)
	pods := h.set.plane.Client().CoreV1().Pods(h.ns)
	var pod *corev1.Pod
	h.await("its pod", func() bool {
		list, err := pods.List(h.ctx, metav1.ListOptions{LabelSelector: "job-name=nowhere"})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) > 0 {
			pod = &list.Items[0]
		}
		return pod != nil
	})
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		Message: "0/3 nodes are available", LastTransitionTime: metav1.Now(),
	}}
	if _, err := pods.UpdateStatus(h.ctx, pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Before, a Job does not count pods that are deleted, and makes the next one.
	if versionOf(t, h.set.plane).Minor >= 25 {
		failed := h.until("its end", job, ends)
		if got, want := failed.Status.Failed, int32(1); got != want {
			t.Errorf("got %d failed pods, want %d: its own backoff limit counts", got, want)
		}
	}
	r := h.manifests(job, 1)[0].Instances[0]
	if r.Verdict != archive.NeverStarted || !strings.Contains(r.Reason, "0/3 nodes are available") {
		t.Errorf("got verdict %s (%s), want never-started for want of a node", r.Verdict, r.Reason)
	}
	h.await("the pod's deletion", func() bool {
		_, err := pods.Get(h.ctx, pod.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	h.hear(job, "PodCannotStart", "0/3 nodes are available")
}

// TestRetryPodsGo has four pods of one Job fail at once, of which two are kept.
func TestRetryPodsGo(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.RetryPods = 2
	h := settle(t, setting{cleanup: s}, quick(1))
	four, limit := int32(4), int32(3)
	job := h.launch("again", func(j *batchv1.Job) {
		j.Spec.Parallelism, j.Spec.Completions, j.Spec.BackoffLimit = &four, &four, &limit
	})
	h.until("its end", job, ends)
	h.manifests(job, 4)
	pods := h.set.plane.Client().CoreV1().Pods(h.ns)
	h.await("two pods to be left", func() bool {
		list, err := pods.List(h.ctx, metav1.ListOptions{LabelSelector: "job-name=again"})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Items) == 2
	})
	// A deletion is counted when its answer has come, which is after the pod has left the list.
	h.await("the deletions of the 2 oldest to be counted", func() bool { return h.daemon.value("epilogue_deletions_total") == 2 })
}

// TestOtherFinalizersStay has somebody else's finalizer beside the gate.
func TestOtherFinalizersStay(t *testing.T) {
	t.Parallel()
	s := tidy()
	s.Gate = config.GateAlways
	h := settle(t, setting{cleanup: s}, quick(0))
	job := h.launch("shared", func(j *batchv1.Job) { j.Finalizers = []string{"example.com/a", "example.com/b"} })
	open := h.until("the open gate", job, func(j *batchv1.Job) bool { return j.Annotations[mark.Verdict] != "" })
	if want := []string{"example.com/a", "example.com/b"}; !slices.Equal(open.Finalizers, want) {
		t.Errorf("got finalizers %v, want %v", open.Finalizers, want)
	}
}
