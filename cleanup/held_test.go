package cleanup

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch"
)

// TestDeadlineOutlivesOwners: the owners of a held Job, and of a held pod, change more often than the deadline comes.
func TestDeadlineOutlivesOwners(t *testing.T) {
	forged := func(j *batchv1.Job) { j.Annotations = map[string]string{mark.HeldSince: "2999-01-01T00:00:00Z"} }
	for name, change := range map[string]func(*batchv1.Job){"as they are": func(*batchv1.Job) {}, "a time that somebody wrote": forged} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.start()
				b.finished("a", held1, change)
				waiting := b.podOf(b.unfinished("b"), "waiting")
				unscheduled(time.Now())(&Pod{PodStanding: watch.PodStanding{Pod: waiting}})
				waiting.Finalizers = []string{mark.Finalizer}
				b.api.create(waiting)
				after(time.Minute)
				background := metav1.DeletePropagationBackground
				b.api.mu.Lock()
				for _, o := range []metav1.Object{b.api.jobs["a"], b.api.pods["waiting"]} {
					// Without preconditions there is no error.
					_ = b.api.remove(o, &metav1.DeleteOptions{PropagationPolicy: &background}, false)
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

// TestWholeIsNotLost: a daemon starts when the deadline of a deleted Job, and of a held pod, is long over. It has not
// asked the store yet whether they are archived, and that takes its time.
func TestWholeIsNotLost(t *testing.T) {
	for name, known := range map[string]bool{"and is told": true, "and is never told": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				j, p := b.finished("a", held1)
				b.api.edit(p, func(o metav1.Object) { o.SetFinalizers([]string{mark.Finalizer}) })
				b.remove(j)
				long := map[string]string{mark.HeldSince: time.Now().UTC().Format(time.RFC3339)}
				b.api.edit(j, func(o metav1.Object) { o.SetAnnotations(long) })
				b.api.edit(p, func(o metav1.Object) { o.SetAnnotations(long) })
				after(5 * b.cfg.GateDeadline)
				b.lookout.since, b.lookout.unproven[p.UID] = time.Now(), true
				b.shelf.put(p, archive.Complete)
				b.shelf.write(j.UID)
				b.start()
				after(b.cfg.GateDeadline / 2)
				if b.job("a") == nil {
					t.Fatal("it was let go as lost, and it is archived")
				}
				if known {
					b.seal(p, archive.Complete)
				}
				after(b.cfg.GateDeadline)
				if b.job("a") != nil {
					t.Fatal("it is held still")
				}
				if got, want := testutil.ToFloat64(b.count.Released.WithLabelValues(string(Deadline))) == 0, known; got != want {
					t.Errorf("got it let go by proof alone: %t, want %t", got, want)
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

// TestParentOfAnyKind: where the daemon may read it, a parent of another kind is heeded as a CronJob is. Its words make
// no path of their own.
func TestParentOfAnyKind(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "workflows"}, "", nil)
	for _, tt := range []struct {
		name   string
		parent metav1.OwnerReference
		err    error
		goes   bool
		most   int // requests for the parent in an hour: one a minute, and one with the news of Job and pod each
	}{
		{"may be read", metav1.OwnerReference{APIVersion: "argoproj.io/v1", Kind: "Workflow", Name: "w", UID: "w-uid"}, nil, true, 62},
		{"may not be read", metav1.OwnerReference{APIVersion: "argoproj.io/v1", Kind: "Workflow", Name: "w", UID: "w-uid"}, forbidden, false, 7},
		{"of a kind that nobody knows", metav1.OwnerReference{APIVersion: "argoproj.io/v1", Kind: "Other", Name: "w", UID: "w-uid"}, nil, false, 0},
		{"another one of its name", metav1.OwnerReference{APIVersion: "argoproj.io/v1", Kind: "Workflow", Name: "w", UID: "x"}, nil, false, 62},
		{"with a path for a name", metav1.OwnerReference{APIVersion: "argoproj.io/v1", Kind: "Workflow", Name: "../secrets/w", UID: "w-uid"}, nil, false, 0},
		{"with a path for a version", metav1.OwnerReference{APIVersion: "../api/v1", Kind: "Workflow", Name: "w", UID: "w-uid"}, nil, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				now, asked := metav1.Now(), 0
				b.api.parent = &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
					Name: "w", UID: "w-uid", DeletionTimestamp: &now, Finalizers: []string{metav1.FinalizerDeleteDependents},
				}}
				b.api.intercept(func(_, kind, _ string) error {
					if kind != "workflows" {
						return nil
					}
					asked++
					return tt.err
				})
				b.start()
				j := b.unfinishedJob(func(j *batchv1.Job) {
					j.Finalizers, j.OwnerReferences = []string{mark.Finalizer}, []metav1.OwnerReference{tt.parent}
				})
				b.api.create(b.podOf(j, "runs"))
				after(time.Hour)
				left := b.job("a")
				if got := left == nil || left.DeletionTimestamp != nil; got != tt.goes || asked > tt.most {
					t.Errorf("got it deleted %t after %d requests, want %t and at most %d", got, asked, tt.goes, tt.most)
				}
			})
		})
	}
}

// TestParentInTheForeground: the CronJob waits for its Job, which the API server does not let be deleted in the
// foreground.
func TestParentInTheForeground(t *testing.T) {
	yes := true
	for _, tt := range []struct {
		name   string
		change func(*batchv1.CronJob)
		goes   bool
	}{
		{"in the foreground", func(c *batchv1.CronJob) {
			now := metav1.Now()
			c.DeletionTimestamp, c.Finalizers = &now, []string{metav1.FinalizerDeleteDependents}
		}, true},
		{"not at all", func(*batchv1.CronJob) {}, false},
		{"with its Jobs left behind", func(c *batchv1.CronJob) {
			now := metav1.Now()
			c.DeletionTimestamp, c.Finalizers = &now, []string{metav1.FinalizerOrphanDependents}
		}, false},
		{"another one of its name", func(c *batchv1.CronJob) {
			now := metav1.Now()
			c.UID, c.DeletionTimestamp, c.Finalizers = "other", &now, []string{metav1.FinalizerDeleteDependents}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				parent := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "nightly", UID: "cron-uid"}}
				b.api.crons = map[string]*batchv1.CronJob{"nightly": parent}
				b.start()
				j := b.unfinishedJob(func(j *batchv1.Job) {
					j.Finalizers = []string{mark.Finalizer}
					j.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", UID: "cron-uid", Controller: &yes}}
				})
				p := b.podOf(j, "runs")
				b.api.create(p)
				after(5 * time.Minute)
				b.api.mu.Lock()
				tt.change(parent)
				b.api.mu.Unlock()
				after(2 * time.Minute)
				if got := b.job("a").DeletionTimestamp != nil; got != tt.goes {
					t.Fatalf("got it deleted %t, want %t", got, tt.goes)
				}
				pod := b.api.pod("runs")
				if got := pod.Spec.ActiveDeadlineSeconds != nil && pod.DeletionTimestamp == nil; got != tt.goes {
					t.Errorf("got its pod ended gently %t, want %t: %+v", got, tt.goes, pod)
				}
				if !tt.goes {
					return
				}
				b.seal(pod, archive.Complete)
				after(time.Minute)
				if b.job("a") != nil {
					t.Error("the Job is there still, with its log archived")
				}
				if got := b.api.said("a"); len(got) == 0 || got[0] != parentDeleted {
					t.Errorf("got Events %v, want %s first", got, parentDeleted)
				}
			})
		})
	}
}
