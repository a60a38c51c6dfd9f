package cleanup

import (
	"net/http"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
)

// closed: the object is there and carries the gate.
func closed(o metav1.Object) bool { return has(o.GetFinalizers(), mark.Finalizer) }

// remove deletes a Job, as somebody might.
func (b *bench) remove(j *batchv1.Job) {
	b.t.Helper()
	b.api.mu.Lock()
	defer b.api.mu.Unlock()
	background := metav1.DeletePropagationBackground
	if err := b.api.remove(b.api.jobs[j.Name], &metav1.DeleteOptions{PropagationPolicy: &background}, false); err != nil {
		b.t.Fatal(err)
	}
}

// TestGateOpensByTheStoreAlone: what the cache believes to be sealed opens no gate, neither that of the Job nor that of
// the pod, until the manifest is read from the store, and for a finished Job its document is there.
func TestGateOpensByTheStoreAlone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		deleted bool
		prepare func(b *bench, j *batchv1.Job, p *corev1.Pod)
		repair  func(b *bench, j *batchv1.Job, p *corev1.Pod)
	}{
		{"no manifest", false, believed, written},
		{"no manifest, deleted", true, believed, written},
		{"no document", false, func(b *bench, _ *batchv1.Job, p *corev1.Pod) { b.seal(p, archive.Complete) },
			func(b *bench, j *batchv1.Job, _ *corev1.Pod) { b.finish(j.UID) }},
		{"no document, deleted", true, func(b *bench, _ *batchv1.Job, p *corev1.Pod) { b.seal(p, archive.Complete) },
			func(b *bench, j *batchv1.Job, _ *corev1.Pod) { b.finish(j.UID) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.start()
				j, p := b.finished("a")
				b.api.edit(p, func(o metav1.Object) { o.SetFinalizers([]string{mark.Finalizer}) })
				after(time.Second)
				if !closed(b.job("a")) {
					t.Fatal("no gate was put on")
				}
				tt.prepare(b, j, p)
				if tt.deleted {
					b.remove(j)
				}
				after(b.cfg.GateDeadline / 2)
				if got := b.job("a"); got == nil || !closed(got) {
					t.Fatalf("the gate of the Job is open without proof: %v", got)
				}
				sealed := b.shelf.has(j.UID, p.UID)
				if got := b.api.pod("a-a"); got == nil || closed(got) == sealed {
					t.Errorf("the gate of the pod is not as its manifest is, which is there: %t", sealed)
				}
				tt.repair(b, j, p)
				after(5 * time.Minute)
				if got := b.job("a"); got != nil && (closed(got) || tt.deleted) {
					t.Error("the gate is closed still, with all proofs")
				}
			})
		})
	}
}

// believed lets the cache take the pod for sealed.
func believed(b *bench, j *batchv1.Job, p *corev1.Pod) {
	b.shelf.write(j.UID)
	b.lookout.mu.Lock()
	b.lookout.sealed[p.UID] = true
	b.lookout.mu.Unlock()
	b.janitor.Notice(j.UID)
}

func written(b *bench, _ *batchv1.Job, p *corev1.Pod) { b.seal(p, archive.Complete) }

// TestDeletedJobWithAnUnseenPod: somebody deletes a Job that runs, and a pod of it has not come to the cache yet. It is
// asked for before the gate opens.
func TestDeletedJobWithAnUnseenPod(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j := b.unfinished("a")
		after(time.Second)
		hidden := b.podOf(j, "hidden")
		hidden.Status.Phase = corev1.PodFailed
		b.api.unheard(func() { b.api.create(hidden) })
		b.seal(b.api.pod("a-a"), archive.Complete)
		b.remove(j)
		after(b.cfg.GateDeadline / 2)
		if b.job("a") == nil {
			t.Fatal("the Job was let go, and a pod of it is not sealed")
		}
		b.seal(b.api.pod("hidden"), archive.Complete)
		after(5 * time.Minute)
		if b.job("a") != nil {
			t.Error("the Job is there still, with all pods sealed")
		}
	})
}

// TestGatedJobIsNotDeleted: somebody puts the gate on again at the last moment. It is opened first, by proof.
func TestGatedJobIsNotDeleted(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.api.deletes = func(o metav1.Object, _ *metav1.DeleteOptions) {
			if closed(o) {
				t.Errorf("%s is deleted while its gate is closed", o.GetName())
			}
		}
		b.start()
		j, p := b.finished("a")
		due := time.Now().Add(b.cfg.TTLSuccess)
		raced := 0
		b.api.intercept(func(verb, kind, _ string) error {
			if verb == http.MethodGet && kind == "jobs" && raced == 0 && !time.Now().Before(due) {
				raced++
				b.api.unheard(func() { b.api.edit(j, func(o metav1.Object) { o.SetFinalizers([]string{mark.Finalizer}) }) })
			}
			return nil
		})
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(6 * time.Hour)
		if got := b.job("a"); raced != 1 || got == nil || !closed(got) {
			t.Fatalf("got %v after %d races, want it held: nobody has heard of it", got, raced)
		}
		b.api.edit(j, func(o metav1.Object) { o.SetLabels(map[string]string{"heard": "yes"}) })
		after(5 * time.Minute)
		if b.job("a") != nil {
			t.Error("the Job is there still, and its gate could be opened")
		}
	})
}

// TestGateOfAnotherJob: the Job was made anew under its name while its gate was to be opened. That of the new one stays
// closed.
func TestGateOfAnotherJob(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j, p := b.finished("a")
		after(time.Second)
		var anew *batchv1.Job
		b.api.intercept(func(verb, kind, _ string) error {
			if verb == http.MethodPatch && kind == "jobs" && anew == nil {
				b.api.unheard(func() {
					b.api.mu.Lock()
					delete(b.api.jobs, "a")
					b.api.mu.Unlock()
					anew = &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "a", Finalizers: []string{mark.Finalizer}}}
					b.api.create(anew)
				})
			}
			return nil
		})
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(time.Hour)
		if anew == nil {
			t.Fatal("the gate was never opened: the test has shown nothing")
		}
		if got := b.job("a"); got.UID != anew.UID || !closed(got) || got.Annotations[mark.Verdict] != "" {
			t.Errorf("got %s with finalizers %v and %v, want the new Job untouched", got.UID, got.Finalizers, got.Annotations)
		}
	})
}

// TestTTLIsTakenAsItIs: the owner changes the TTL while it is taken over. What he wrote last counts, to the second.
func TestTTLIsTakenAsItIs(t *testing.T) {
	inBubble(t, func(b *bench) {
		minute, hour := int32(60), int32(3600)
		var at time.Time
		b.api.deletes = func(metav1.Object, *metav1.DeleteOptions) { at = time.Now() }
		raced := 0
		b.api.intercept(func(verb, kind, _ string) error {
			if verb == http.MethodPatch && kind == "jobs" && raced == 0 {
				raced++
				b.api.edit(b.job("a"), func(o metav1.Object) { o.(*batchv1.Job).Spec.TTLSecondsAfterFinished = &hour })
			}
			return nil
		})
		b.start()
		j, p := b.finished("a", func(j *batchv1.Job) { j.Spec.TTLSecondsAfterFinished = &minute })
		after(time.Second)
		got := b.job("a")
		if raced != 1 || got.Spec.TTLSecondsAfterFinished != nil || got.Annotations[mark.AdoptedTTL] != "3600" {
			t.Errorf("got TTL %v and %v after %d races, want it taken over as 3600", got.Spec.TTLSecondsAfterFinished, got.Annotations, raced)
		}
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(6 * time.Hour)
		if due := got.Status.Conditions[0].LastTransitionTime.Add(time.Hour); at.Before(due) || at.After(due.Add(time.Second)) {
			t.Errorf("got deletion at %s, want it at %s", at, due)
		}
	})
}

// TestPodOfAJobThatIsNotSeen: the cache has no Job of the pod, because it is behind or the Job is not one of ours. It
// is no orphan.
func TestPodOfAJobThatIsNotSeen(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		var j *batchv1.Job
		var p *corev1.Pod
		b.api.unheard(func() { j, p = b.finished("a") })
		b.api.edit(p, func(o metav1.Object) { o.SetLabels(map[string]string{"seen": "yes"}) })
		b.seal(p, archive.Complete)
		after(6 * time.Hour)
		if b.api.pod("a-a") == nil {
			t.Fatal("the pod was deleted as an orphan, and its Job is there")
		}
		b.api.mu.Lock()
		delete(b.api.jobs, "a")
		b.api.mu.Unlock()
		b.janitor.Notice(j.UID)
		after(time.Hour)
		if b.api.pod("a-a") != nil {
			t.Error("the orphan is there still: the test has shown nothing")
		}
	})
}
