package cleanup

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch"
)

// inBubble runs a test over a bench, with the clock of a bubble.
func inBubble(t *testing.T, test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		t.Cleanup(func() {
			if b.stop != nil {
				b.stop()
			}
		})
		test(b)
	})
}

// finished makes a Job that has just ended, with one pod that has.
func (b *bench) finished(name string, changes ...func(*batchv1.Job)) (*batchv1.Job, *corev1.Pod) {
	now := metav1.Now()
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}},
		Status: batchv1.JobStatus{
			Succeeded: 1, StartTime: &now,
			Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now}},
		},
	}
	for _, change := range changes {
		change(j)
	}
	b.api.create(j)
	p := b.podOf(j, name+"-a")
	p.Status = corev1.PodStatus{Phase: corev1.PodSucceeded, StartTime: &now}
	b.api.create(p)
	return j, p
}

// unfinished makes a Job that goes on: one pod has succeeded, others may come.
func (b *bench) unfinished(name string) *batchv1.Job {
	j, _ := b.finished(name, func(j *batchv1.Job) { j.Status.Conditions, j.Status.Succeeded = nil, 0 })
	return j
}

func (b *bench) podOf(j *batchv1.Job, name string) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{"job-name": j.Name, "controller-uid": string(j.UID)},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: j.Name, UID: j.UID, Controller: &yes}},
		},
		Spec: corev1.PodSpec{NodeName: "node"}, Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func (b *bench) job(name string) *batchv1.Job {
	b.api.mu.Lock()
	defer b.api.mu.Unlock()
	return b.api.jobs[name]
}

// after lets time pass.
func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestDeletedToTheSecond(t *testing.T) {
	inBubble(t, func(b *bench) {
		var at time.Time
		b.api.deletes = func(metav1.Object, *metav1.DeleteOptions) { at = time.Now() }
		b.start()
		j, p := b.finished("a")
		due := j.Status.Conditions[0].LastTransitionTime.Add(b.cfg.TTLSuccess)
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(3 * time.Hour)
		if late := at.Sub(due); late < 0 || late > 10*time.Millisecond {
			t.Errorf("got deletion %s after its time, want it then", late)
		}
		if got, want := b.api.said("a"), []string{logsArchived, jobExpired}; !slices.Equal(got, want) {
			t.Errorf("got Events %v, want %v", got, want)
		}
		// A look, the gate on; a look, the gate off with its Event; a look, the Event and the deletion.
		if got, want := b.api.spent("a"), 8; got > want {
			t.Errorf("got %d requests, want at most %d", got, want)
		}
		if got := b.lookout.jobs; len(got) != 0 || len(b.janitor.acted)+len(b.janitor.stuck)+len(b.janitor.untold)+len(b.janitor.holding)+len(b.janitor.late) > 0 {
			t.Errorf("got Jobs %v and memories %v, want none", got, b.janitor.acted)
		}
	})
}

// TestNothingGoesWithoutProof: each proof is missing in turn, after the Job's time.
func TestNothingGoesWithoutProof(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(b *bench, j *batchv1.Job, p *corev1.Pod)
		blocked string
		repair  func(b *bench, j *batchv1.Job, p *corev1.Pod)
	}{
		{"not sealed", func(*bench, *batchv1.Job, *corev1.Pod) {}, string(Unsealed),
			func(b *bench, j *batchv1.Job, p *corev1.Pod) { b.seal(p, archive.Complete); b.finish(j.UID) }},
		{"sealed, it is said, and no manifest in the store", believed, string(Unsealed), func(b *bench, j *batchv1.Job, p *corev1.Pod) { b.seal(p, archive.Complete) }},
		{"no document", func(b *bench, j *batchv1.Job, p *corev1.Pod) { b.seal(p, archive.Complete) }, "document",
			func(b *bench, j *batchv1.Job, p *corev1.Pod) { b.finish(j.UID) }},
		{"the store is down", func(b *bench, j *batchv1.Job, p *corev1.Pod) {
			b.seal(p, archive.Complete)
			b.shelf.breakDown()
			b.finish(j.UID)
		}, "store", func(b *bench, _ *batchv1.Job, _ *corev1.Pod) { b.shelf.mend() }},
		{"a pod that only the API server knows", func(b *bench, j *batchv1.Job, p *corev1.Pod) {
			b.seal(p, archive.Complete)
			hidden := b.podOf(j, "hidden")
			hidden.Status.Phase = corev1.PodFailed
			b.api.unheard(func() { b.api.create(hidden) })
			b.api.edit(j, func(o metav1.Object) { o.(*batchv1.Job).Status.Failed = 1 })
			b.finish(j.UID)
		}, string(Unsealed), func(b *bench, j *batchv1.Job, _ *corev1.Pod) { b.seal(b.api.pod("hidden"), archive.Lost) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.cfg.Gate = config.GateNever
				b.start()
				j, p := b.finished("a")
				tt.prepare(b, j, p)
				after(6 * time.Hour)
				if b.job("a") == nil {
					t.Fatal("the Job was deleted without proof")
				}
				if got := testutil.ToFloat64(b.count.Blocked.WithLabelValues(tt.blocked)); got == 0 {
					t.Errorf("got no deletion blocked by %s", tt.blocked)
				}
				if got, most := b.api.spent("a"), 6; got > most {
					t.Errorf("got %d requests while nothing could be done, want at most %d", got, most)
				}
				tt.repair(b, j, p)
				after(5 * time.Minute)
				if b.job("a") != nil {
					t.Error("the Job is there still, with its proof")
				}
			})
		})
	}
}

// TestKeepWins has an owner annotate the Job at the last moment: before the look, and between it and the deletion.
func TestKeepWins(t *testing.T) {
	keep := func(o metav1.Object) { o.SetAnnotations(map[string]string{mark.Keep: "true"}) }
	for _, verb := range []string{http.MethodGet, http.MethodDelete} {
		t.Run(verb, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.cfg.Gate = config.GateNever
				b.start()
				j, p := b.finished("a")
				due := time.Now().Add(b.cfg.TTLSuccess)
				raced := 0
				b.api.intercept(func(v, kind, _ string) error {
					if v == verb && kind == "jobs" && raced == 0 && !time.Now().Before(due) {
						raced++
						b.api.unheard(func() { b.api.edit(j, keep) }) // the cache hears of it later
					}
					return nil
				})
				b.seal(p, archive.Complete)
				b.finish(j.UID)
				after(6 * time.Hour)
				if b.job("a") == nil {
					t.Fatal("the Job was deleted though it was to be kept")
				}
				if raced != 1 {
					t.Errorf("the race was run %d times, want once", raced)
				}
			})
		})
	}
}

func TestForeignJobStays(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.Gate = config.GateNever
		b.startSelecting()
		j, p := b.finished("a") // its label went while the cache had it
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(6 * time.Hour)
		if b.job("a") == nil {
			t.Error("a Job outside of the selection was deleted")
		}
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.DryRun = true
		b.api.intercept(func(verb, kind, name string) error {
			if verb != http.MethodGet {
				t.Errorf("got %s of %s %s, want nothing changed", verb, kind, name)
			}
			return nil
		})
		b.start()
		j, p := b.finished("a", ownTTL(60))
		stuck := b.unfinished("b")
		waiting := b.podOf(stuck, "stuck")
		waits("ErrImagePull")(&Pod{PodStanding: watch.PodStanding{Pod: waiting}})
		b.api.create(waiting)
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(6 * time.Hour)
		for action, reason := range map[Action]Reason{AdoptTTL: Gate, Hold: Gate, EndPod: ImagePull} {
			if got := testutil.ToFloat64(b.count.DryRun.WithLabelValues(string(action), string(reason))); got < 1 || got > 2 {
				t.Errorf("%s %s: got %v, want it said once for each", action, reason, got)
			}
		}
		if got := sum(t, b.count.Deleted) + sum(t, b.count.Ended); got != 0 {
			t.Errorf("got %v counts of what was not done", got)
		}
	})
}

// TestArchivingAloneChangesNothing: without cleanup and gate no Job is touched, not even to be told what became of its
// logs.
func TestArchivingAloneChangesNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.Enabled, b.cfg.Gate = false, config.GateNever
		b.api.intercept(func(verb, kind, name string) error {
			if verb != http.MethodGet {
				t.Errorf("got %s of %s %s, want nothing changed", verb, kind, name)
			}
			return nil
		})
		b.start()
		j, p := b.finished("a", ownTTL(60))
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(6 * time.Hour)
	})
}

// sum adds up a counter over its labels.
func sum(t *testing.T, c prometheus.Collector) (total float64) {
	t.Helper()
	metrics := make(chan prometheus.Metric, 100)
	c.Collect(metrics)
	close(metrics)
	for m := range metrics {
		var value dto.Metric
		if err := m.Write(&value); err != nil {
			t.Fatal(err)
		}
		total += value.GetCounter().GetValue()
	}
	return total
}

func TestDryRunSaysWhatWouldGo(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.DryRun = true
		b.start()
		j, p := b.finished("a")
		b.seal(p, archive.Complete)
		b.finish(j.UID)
		after(6 * time.Hour)
		for range 3 {
			b.api.edit(j, func(o metav1.Object) { o.SetLabels(map[string]string{"a": "b"}) })
			after(time.Minute)
		}
		if got := testutil.ToFloat64(b.count.DryRun.WithLabelValues(string(DeleteJob), string(Success))); got != 1 {
			t.Errorf("got it said %v times, want once", got)
		}
		if b.job("a") == nil {
			t.Error("a dry run has deleted it")
		}
	})
}

func TestHistoryLimit(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.cfg.HistoryLimit, b.cfg.Gate = 2, config.GateNever
		b.start()
		for n := range 4 {
			j, p := b.finished(fmt.Sprintf("run-%d", n), func(j *batchv1.Job) { j.Labels = map[string]string{"workload": "w"} })
			b.seal(p, archive.Complete)
			b.finish(j.UID)
			after(time.Minute)
		}
		for n, want := range []bool{false, false, true, true} {
			if got := b.job(fmt.Sprintf("run-%d", n)) != nil; got != want {
				t.Errorf("run-%d: got there %t, want %t", n, got, want)
			}
		}
	})
}
