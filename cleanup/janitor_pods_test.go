package cleanup

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch"
)

// TestWithdrawnPod is a pod that never gets a node: it goes only once its manifest is there, and no scheduler can have
// it meanwhile.
func TestWithdrawnPod(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j := b.unfinished("a")
		p := b.podOf(j, "waiting")
		unscheduled(time.Now())(&Pod{PodStanding: watch.PodStanding{Pod: p}})
		b.api.create(p)
		after(59 * time.Minute)
		if b.api.pod("waiting").DeletionTimestamp != nil {
			t.Fatal("it was deleted within its grace")
		}
		after(2 * time.Minute)
		held := b.api.pod("waiting")
		if held == nil || held.DeletionTimestamp == nil {
			t.Fatalf("got %v, want it deleted and held", held)
		}
		b.seal(held, archive.NeverStarted)
		after(time.Minute)
		if b.api.pod("waiting") != nil {
			t.Error("it is held still, with its manifest written")
		}
		if !slices.Contains(b.api.said("a"), podCannotStart) {
			t.Errorf("got Events %v, want %s", b.api.said("a"), podCannotStart)
		}
	})
}

// TestWithdrawnPodGetsANode: the scheduler comes between the gate and the deletion.
func TestWithdrawnPodGetsANode(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j := b.unfinished("a")
		p := b.podOf(j, "waiting")
		unscheduled(time.Now())(&Pod{PodStanding: watch.PodStanding{Pod: p}})
		b.api.create(p)
		b.api.intercept(func(verb, kind, _ string) error {
			if verb == http.MethodDelete && kind == "pods" {
				b.api.edit(p, func(o metav1.Object) {
					pod := o.(*corev1.Pod)
					pod.Spec.NodeName, pod.Status.Conditions = "node", nil
				})
			}
			return nil
		})
		after(2 * time.Hour)
		if got := b.api.pod("waiting"); got == nil || got.DeletionTimestamp != nil {
			t.Errorf("got %v, want it left alone: it has a node", got)
		}
	})
}

func TestStuckPodsAreCounted(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j := b.unfinished("a")
		for _, name := range []string{"x", "y"} {
			p := b.podOf(j, name)
			waits("ErrImagePull")(&Pod{PodStanding: watch.PodStanding{Pod: p}})
			b.api.create(p)
		}
		after(time.Second)
		stuck := func() float64 { return testutil.ToFloat64(b.count.Stuck.WithLabelValues(string(ImagePull))) }
		if got := stuck(); got != 2 {
			t.Errorf("got %v stuck pods, want 2", got)
		}
		after(11 * time.Minute)
		for _, name := range []string{"x", "y"} {
			p := b.api.pod(name)
			if d := p.Spec.ActiveDeadlineSeconds; d == nil || *d != endNow {
				t.Errorf("%s: got deadline %v, want it ended after its grace", name, d)
			}
			b.api.edit(p, func(o metav1.Object) { o.(*corev1.Pod).Status = corev1.PodStatus{Phase: corev1.PodFailed} })
		}
		after(time.Second)
		if got := stuck(); got != 0 {
			t.Errorf("got %v stuck pods, want none", got)
		}
		if got := testutil.ToFloat64(b.count.Ended.WithLabelValues(string(ImagePull))); got != 2 {
			t.Errorf("got %v ended, want 2", got)
		}
	})
}

// TestDeadline lets a deleted Job go that nobody can seal.
func TestDeadline(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j, _ := b.finished("a")
		after(time.Minute)
		b.api.mu.Lock()
		background := metav1.DeletePropagationBackground
		err := b.api.remove(b.api.jobs["a"], &metav1.DeleteOptions{PropagationPolicy: &background}, false)
		b.api.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		after(58 * time.Minute)
		if b.job("a") == nil || testutil.ToFloat64(b.count.Held) != 1 {
			t.Fatal("it is not held")
		}
		after(2 * time.Minute)
		if b.job("a") != nil {
			t.Error("it is held beyond the deadline")
		}
		if got := b.api.said("a"); !slices.Contains(got, logsLost) || !slices.Contains(got, gateReleased) {
			t.Errorf("got Events %v, want %s and %s", got, logsLost, gateReleased)
		}
		if got := testutil.ToFloat64(b.count.Released.WithLabelValues(string(Deadline))); got != 1 {
			t.Errorf("got %v released by the deadline, want 1", got)
		}
		if got := testutil.ToFloat64(b.count.Held); got != 0 {
			t.Errorf("got %v held, want none", got)
		}
		_ = j
	})
}
