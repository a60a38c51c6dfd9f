package cleanup

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/mark"
)

// TestDeadlineOutlivesOwners has the owners of a held Job, and of a held pod, change more often than the deadline comes.
func TestDeadlineOutlivesOwners(t *testing.T) {
	forged := func(j *batchv1.Job) { j.Annotations = map[string]string{mark.HeldSince: "2999-01-01T00:00:00Z"} }
	for name, change := range map[string]func(*batchv1.Job){"as they are": func(*batchv1.Job) {}, "a time that somebody wrote": forged} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.start()
				b.finished("a", held1, change)
				waiting := b.podOf(b.unfinished("b"), "waiting")
				unscheduled(time.Now())(&Pod{Pod: waiting})
				waiting.Finalizers = []string{mark.Finalizer}
				b.api.create(waiting)
				after(time.Minute)
				background := metav1.DeletePropagationBackground
				b.api.mu.Lock()
				for _, o := range []metav1.Object{b.api.jobs["a"], b.api.pods["waiting"]} {
					_ = b.api.remove(o, &metav1.DeleteOptions{PropagationPolicy: &background}, false) // without preconditions there is no error
				}
				b.api.mu.Unlock()
				for range 3 {
					after(19 * time.Minute)
					if b.job("a") == nil || b.api.pod("waiting") == nil {
						t.Fatal("it was let go before its deadline")
					}
					b.stop()
					b.lookout.since = time.Now()
					b.start()
				}
				after(4 * time.Minute)
				if b.job("a") != nil || b.api.pod("waiting") != nil {
					t.Error("it is held beyond the deadline: that began anew with each owner")
				}
			})
		})
	}
}

// TestAppliedAgain: who applies a manifest again and again puts its TTL back each time. It is taken over once.
func TestAppliedAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j := b.unfinishedJob(ownTTL(600))
		writes := b.writes()
		for range 6 {
			after(time.Minute)
			b.api.edit(j, func(o metav1.Object) { ownTTL(600)(o.(*batchv1.Job)) })
		}
		after(time.Minute)
		if got := b.job("a"); *writes != 1 || got.Spec.TTLSecondsAfterFinished == nil || got.Annotations[mark.AdoptedTTL] != "600" {
			t.Errorf("got %d patches and %+v, want one patch and the TTL left", *writes, got.Spec)
		}
	})
}
