package cleanup

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

func TestDeletedJobs(t *testing.T) {
	gone := deletedAt(noon)
	check(t, []row{
		{"without a gate", Facts{Job: job(open, gone, func(j *batchv1.Job) { j.Finalizers = []string{"other"} })}, nil, noon, "keep deleting"},
		{"its pod is ended gently", Facts{Job: job(gone), Pods: []Pod{pod("a")}}, nil, noon, "wait unsealed 13:00, end-pod deleting a"},
		{"it was told", Facts{Job: job(gone), Pods: []Pod{pod("a", told)}}, nil, noon, "wait unsealed 13:00"},
		{"its pod has no node", Facts{Job: job(gone), Pods: []Pod{pod("a", unscheduled(noon))}}, nil, noon, "wait unsealed 13:00, withdraw-pod deleting a"},
		{"its pod is deleted already", Facts{Job: job(gone), Pods: []Pod{pod("a", ending(noon))}}, nil, noon, "wait unsealed 13:00"},
		{"ended, not sealed", Facts{Job: job(done, gone), Pods: []Pod{pod("a", succeeded)}, Since: noon}, nil, noon, "wait unsealed 13:00"},
		{"sealed", Facts{Job: job(gone), Pods: []Pod{pod("a", succeeded, sealed)}}, nil, noon, "release sealed"},
		{"nothing to seal", Facts{Job: job(gone)}, nil, noon, "release sealed"},
		{"one that is gone is not sealed", Facts{Job: job(gone), Open: 1}, nil, noon, "wait unsealed 13:00"},
		{"its pods live on", Facts{Job: job(deletedAt(noon, "orphan")), Pods: []Pod{pod("a")}}, nil, noon, "release orphaned"},
		{"its pods are orphans already", Facts{Job: job(gone), Pods: []Pod{pod("a", orphan)}}, nil, noon, "release sealed"},
		{"deadline", Facts{Job: job(gone), Pods: []Pod{pod("a")}}, nil, noon.Add(time.Hour), "release deadline"},
		{"deadline counts from the Job's end", Facts{Job: job(done, gone), Pods: []Pod{pod("a", succeeded)}}, nil, noon, "release deadline"},
		{"deadline counts while a daemon runs", Facts{Job: job(deletedAt(started1)), Pods: []Pod{pod("a", told)}, Since: noon}, nil, noon, "wait unsealed 13:00"},
		{"deadline counts from when it was first seen", Facts{Job: job(deletedAt(started1), since("2026-11-24T11:30:00Z")), Pods: []Pod{pod("a", told)}, Since: noon},
			nil, noon, "wait unsealed 12:30"},
		{"it was first seen before its end", Facts{Job: job(done, deletedAt(started1), since("2026-11-24T08:10:00Z")), Pods: []Pod{pod("a", succeeded)}, Since: noon},
			nil, ended, "wait unsealed 11:00"},
		{"first seen in the future: no daemon wrote that", Facts{Job: job(deletedAt(started1), since("2026-12-24T08:00:00Z")), Pods: []Pod{pod("a", told)}, Since: noon},
			nil, noon, "wait unsealed 13:00"},
		{"first seen at no time", Facts{Job: job(deletedAt(started1), since("soon")), Pods: []Pod{pod("a", told)}, Since: noon}, nil, noon, "wait unsealed 13:00"},
		{"kept ones, too: somebody deletes it", Facts{Job: job(gone, annotated(mark.Keep, "true")), Pods: []Pod{pod("a")}}, nil, noon, "wait unsealed 13:00, end-pod deleting a"},
	})
}

func TestPodsThatCannotStart(t *testing.T) {
	running := job()
	with := func(p Pod) Facts { return Facts{Job: running, Pods: []Pod{p}} }
	nine := started1.Add(time.Hour)
	loop := func(n int32) func(*Pod) {
		return func(p *Pod) {
			waits("CrashLoopBackOff")(p)
			p.Status.ContainerStatuses[0].RestartCount = n
		}
	}
	check(t, []row{
		{"just seen", with(pod("a", waits("ErrImagePull"))), nil, nine, "keep running, wait image-pull 09:10"},
		{"seen before", with(pod("a", waits("ImagePullBackOff"), stuckSince(started1))), nil, started1.Add(9 * time.Minute), "keep running, wait image-pull 08:10"},
		{"after its grace", with(pod("a", waits("ImagePullBackOff"), stuckSince(started1))), nil, started1.Add(10 * time.Minute), "keep running, end-pod image-pull a"},
		{"Events know since when", with(pod("a", waits("ErrImagePull"), warned("Failed", started1, nine), stuckSince(nine))), nil, nine, "keep running, end-pod image-pull a"},
		{"an Event of before the init container's end is another story", with(pod("a", phase(corev1.PodPending, nine), waits("ErrImagePull"), warned("Failed", started1, nine), stuckSince(nine))),
			nil, nine, "keep running, wait image-pull 09:10"},
		{"told", with(pod("a", waits("ErrImagePull"), stuckSince(started1), told)), nil, nine, "keep running"},
		{"wrong name", with(pod("a", waits("InvalidImageName"), stuckSince(started1))), nil, started1.Add(time.Minute), "keep running, end-pod image-name a"},
		{"never pulled", with(pod("a", waits("ErrImageNeverPull"), stuckSince(started1))), nil, started1, "keep running, wait image-name 08:01"},
		{"config", with(pod("a", waits("CreateContainerConfigError"), stuckSince(started1))), nil, started1, "keep running, wait config 08:05"},
		{"create", with(pod("a", waits("CreateContainerError"), stuckSince(started1))), nil, nine, "keep running, end-pod create a"},
		{"run", with(pod("a", waits("RunContainerError"), stuckSince(started1))), nil, nine, "keep running, end-pod create a"},
		{"it is on its way", with(pod("a", waits("ContainerCreating"), stuckSince(started1))), nil, nine, "keep running"},
		{"mount", with(pod("a", waits("ContainerCreating"), unreadyNow, warned("FailedMount", started1, nine))), nil, nine, "keep running, end-pod mount a"},
		{"mount, as an Event alone says: it may be anybody's", with(pod("a", waits("ContainerCreating"), warned("FailedMount", started1, nine))), nil, nine, "keep running"},
		{"mount, and the kubelet says that it has its volumes", with(pod("a", waits("ContainerCreating"), ready, warned("FailedMount", started1, nine))), nil, nine, "keep running"},
		{"mount, long ago", with(pod("a", waits("ContainerCreating"), unreadyNow, warned("FailedMount", started1, nine))), nil, nine.Add(lately), "keep running"},
		{"no node", with(pod("a", unscheduled(started1))), nil, nine.Add(-time.Second), "keep running, wait unschedulable 09:00"},
		{"no node, for long", with(pod("a", unscheduled(started1))), nil, nine, "keep running, withdraw-pod unschedulable a"},
		{"no grace means for ever", with(pod("a", unscheduled(started1))), func(s *config.Cleanup) { s.Grace.Schedule = 0 }, evening, "keep running"},
		{"crashes", with(pod("a", loop(9))), nil, evening, "keep running"},
		{"crashes too often", with(pod("a", loop(10))), nil, evening, "keep running, end-pod crash-loop a"},
		{"crashes, no limit", with(pod("a", loop(1000))), func(s *config.Cleanup) { s.CrashLoops = 0 }, evening, "keep running"},
		{"kept", Facts{Job: job(annotated(mark.Keep, "true")), Pods: []Pod{pod("a", unscheduled(started1))}}, nil, evening, "keep kept"},
		{"an orphan", Facts{Pods: []Pod{pod("a", orphan, waits("ErrImagePull"), stuckSince(started1))}}, nil, nine, "keep running, end-pod image-pull a"},
	})
}

func TestJobsThatGetNoPod(t *testing.T) {
	nine := started1.Add(time.Hour)
	refused := []*corev1.Event{warning("FailedCreate", started1, nine)}
	active := func(j *batchv1.Job) { j.Status.Active = 1 }
	suspended := func(j *batchv1.Job) { yes := true; j.Spec.Suspend = &yes }
	wantsNone := func(j *batchv1.Job) { none := int32(0); j.Spec.Parallelism = &none }
	toldJob := func(j *batchv1.Job) { one := int64(1); j.Spec.ActiveDeadlineSeconds = &one }
	check(t, []row{
		{"within the grace", Facts{Job: job(), Events: refused}, nil, nine.Add(-time.Second), "keep running, wait no-pod 09:00"},
		{"after it", Facts{Job: job(), Events: refused}, nil, nine, "keep running, end-job no-pod"},
		{"it was told", Facts{Job: job(toldJob), Events: refused}, nil, nine, "keep running"},
		{"it has a pod after all", Facts{Job: job(active), Events: refused}, nil, nine, "keep running"},
		{"it wants none, whatever an Event says", Facts{Job: job(wantsNone), Events: refused}, nil, nine, "keep running"},
		{"one is there", Facts{Job: job(), Events: refused, Pods: []Pod{pod("a")}}, nil, nine, "keep running"},
		{"suspended", Facts{Job: job(suspended), Events: refused}, nil, nine, "keep running"},
		{"long ago", Facts{Job: job(), Events: refused}, nil, nine.Add(lastRefusal), "keep running"},
		{"an earlier pod moves the start", Facts{Job: job(), Events: refused, Pods: []Pod{pod("a", phase(corev1.PodFailed, nine.Add(-time.Minute)))}}, nil, nine, "keep running, wait no-pod 09:59"},
	})
}

func TestRetryPods(t *testing.T) {
	fail := func(minute int) func(*Pod) {
		return phase(corev1.PodFailed, started1.Add(time.Duration(minute)*time.Minute))
	}
	tracked := func(p *Pod) { p.Finalizers = []string{batchv1.JobTrackingFinalizer} }
	keep := func(p *Pod) { p.Annotations = map[string]string{mark.Keep: "true"} }
	four := []Pod{pod("a", fail(1), sealed), pod("c", fail(3), sealed), pod("b", fail(2), sealed), pod("d", fail(4), sealed), pod("e")}
	check(t, []row{
		{"the oldest go", Facts{Job: job(), Pods: four}, nil, noon, "keep running, delete-pod retry b, delete-pod retry a"},
		{"all are kept", Facts{Job: job(), Pods: four}, func(s *config.Cleanup) { s.RetryPods = 0 }, noon, "keep running"},
		{"not sealed", Facts{Job: job(), Pods: []Pod{pod("a", fail(1)), four[1], four[3]}}, nil, noon, "keep running"},
		{"not counted", Facts{Job: job(), Pods: []Pod{pod("a", fail(1), sealed, tracked), four[1], four[3]}}, nil, noon, "keep running"},
		{"kept by its annotation", Facts{Job: job(), Pods: []Pod{pod("a", fail(1), sealed, keep), four[1], four[3]}}, nil, noon, "keep running"},
		{"of a finished Job", Facts{Job: job(broken, open), Pods: four[:4]}, nil, ended, "delete-pod retry b, delete-pod retry a, wait ttl-failure 14:00"},
	})
}

func TestOrphans(t *testing.T) {
	check(t, []row{
		{"runs", Facts{Pods: []Pod{pod("a", orphan)}}, nil, noon, "keep running"},
		{"ended just now", Facts{Pods: []Pod{pod("a", orphan, succeeded, sealed)}}, nil, ended, "wait orphan 11:00"},
		{"ended long ago", Facts{Pods: []Pod{pod("a", orphan, succeeded, sealed)}}, nil, noon, "delete-pod orphan a"},
		{"not sealed", Facts{Pods: []Pod{pod("a", orphan, succeeded)}}, nil, noon, "keep unsealed"},
		{"perhaps sealed", Facts{Pods: []Pod{pod("a", orphan, succeeded, unproven)}}, nil, noon, "delete-pod orphan a"},
		{"cleanup off", Facts{Pods: []Pod{pod("a", orphan, succeeded, sealed)}}, func(s *config.Cleanup) { s.Enabled = false }, noon, "keep disabled"},
		{"none", Facts{}, nil, noon, "keep sealed"},
	})
}

func TestHeldPods(t *testing.T) {
	deleted := deletedAt(noon)
	check(t, []row{
		{"sealed", Facts{Job: job(), Pods: []Pod{pod("a", succeeded, held, sealed)}}, nil, noon, "keep running, release-pod sealed a"},
		{"runs", Facts{Job: job(), Pods: []Pod{pod("a", held)}}, nil, noon, "keep running"},
		{"withdrawn, not sealed", Facts{Job: job(), Pods: []Pod{pod("a", unscheduled(started1), held, ending(noon))}}, nil, noon, "keep running, wait deadline 13:00"},
		{"withdrawn, at the deadline", Facts{Job: job(), Pods: []Pod{pod("a", unscheduled(started1), held, ending(noon))}}, nil, noon.Add(time.Hour), "keep running, release-pod deadline a"},
		{"deadline counts while a daemon runs", Facts{Job: job(), Pods: []Pod{pod("a", unscheduled(started1), held, ending(noon))}, Since: evening}, nil, evening, "keep running, wait deadline 19:00"},
		{"deadline counts from when it was first seen", Facts{Job: job(), Pods: []Pod{pod("a", unscheduled(started1), held, ending(noon), seenAt("2026-11-24T17:30:00Z"))}, Since: evening},
			nil, evening, "keep running, wait deadline 18:30"},
		{"of a deleted Job", Facts{Job: job(deleted), Pods: []Pod{pod("a", held, ending(noon), sealed)}}, nil, noon, "release sealed, release-pod sealed a"},
		{"of no Job", Facts{Pods: []Pod{pod("a", held, ending(noon), sealed)}}, nil, noon, "keep deleting, release-pod sealed a"},
	})
}
