package cleanup

import (
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

// The times of the tables. Everything happens on one day.
var (
	midnight = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	started1 = midnight.Add(8 * time.Hour)  // the Job starts, and its pod
	ended    = midnight.Add(10 * time.Hour) // the Job ends
	noon     = midnight.Add(12 * time.Hour)
	evening  = midnight.Add(18 * time.Hour)
)

func usual() config.Cleanup {
	return config.Cleanup{
		Enabled: true, TTLSuccess: 2 * time.Hour, TTLFailure: 4 * time.Hour, RetryPods: 2, OrphanTTL: time.Hour,
		Gate: config.GateAlways, GateDeadline: time.Hour, AdoptTTL: true, CrashLoops: 10,
		Grace: config.Grace{
			ImagePull: 10 * time.Minute, ImageName: time.Minute, Config: 5 * time.Minute, Create: 5 * time.Minute,
			Mount: 15 * time.Minute, Schedule: time.Hour, NoPod: time.Hour,
		},
	}
}

func at(t time.Time) metav1.Time { return metav1.NewTime(t) }

// job makes a Job that runs since started1 and carries the gate, and changes it.
func job(changes ...func(*batchv1.Job)) *batchv1.Job {
	start := at(started1)
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: "job", Namespace: "jobs", UID: "job-uid", CreationTimestamp: start, Finalizers: []string{mark.Finalizer},
			Annotations: map[string]string{}, Labels: map[string]string{},
		},
		Status: batchv1.JobStatus{StartTime: &start},
	}
	for _, change := range changes {
		change(j)
	}
	return j
}

func done(j *batchv1.Job)   { condition(j, batchv1.JobComplete) }
func broken(j *batchv1.Job) { condition(j, batchv1.JobFailed) }

func condition(j *batchv1.Job, kind batchv1.JobConditionType) {
	j.Status.Conditions = append(j.Status.Conditions,
		batchv1.JobCondition{Type: "SuccessCriteriaMet", Status: corev1.ConditionTrue, LastTransitionTime: at(started1)},
		batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: at(ended)})
}

func open(j *batchv1.Job) { j.Finalizers = nil }

func annotated(key, value string) func(*batchv1.Job) {
	return func(j *batchv1.Job) { j.Annotations[key] = value }
}

func deletedAt(t time.Time, finalizers ...string) func(*batchv1.Job) {
	return func(j *batchv1.Job) {
		d := at(t)
		j.DeletionTimestamp = &d
		j.Finalizers = append(j.Finalizers, finalizers...)
	}
}

func ofCronJob(j *batchv1.Job) {
	yes := true
	j.OwnerReferences = []metav1.OwnerReference{{Kind: "CronJob", Name: "nightly", UID: "cron-uid", Controller: &yes}}
}

func ownTTL(seconds int32) func(*batchv1.Job) {
	return func(j *batchv1.Job) { j.Spec.TTLSecondsAfterFinished = &seconds }
}

// pod makes a pod of the Job that runs on a node, and changes it.
func pod(name string, changes ...func(*Pod)) Pod {
	start := at(started1)
	p := Pod{Pod: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "jobs", UID: types.UID(name), CreationTimestamp: start,
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: "job", UID: "job-uid"}},
		},
		Spec:   corev1.PodSpec{NodeName: "node"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &start},
	}}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func sealed(p *Pod)   { p.Sealed = true }
func unproven(p *Pod) { p.Unproven = true }
func orphan(p *Pod)   { p.OwnerReferences = nil }
func held(p *Pod)     { p.Finalizers = append(p.Finalizers, mark.Finalizer) }

func ending(t time.Time) func(*Pod) {
	return func(p *Pod) { d := at(t); p.DeletionTimestamp = &d }
}

func phase(phase corev1.PodPhase, end time.Time) func(*Pod) {
	return func(p *Pod) {
		p.Status.Phase = phase
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{StartedAt: at(started1), FinishedAt: at(end)},
		}}}
	}
}

func succeeded(p *Pod) { phase(corev1.PodSucceeded, ended)(p) }

func waits(reason string) func(*Pod) {
	return func(p *Pod) {
		p.Status.Phase = corev1.PodPending
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: "main", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "why"},
		}})
	}
}

func stuckSince(t time.Time) func(*Pod) { return func(p *Pod) { p.Stuck = t } }

func warned(reason string, first, last time.Time) func(*Pod) {
	return func(p *Pod) { p.Events = append(p.Events, warning(reason, first, last)) }
}

func warning(reason string, first, last time.Time) *corev1.Event {
	return &corev1.Event{Type: corev1.EventTypeWarning, Reason: reason, Message: "why", FirstTimestamp: at(first), LastTimestamp: at(last)}
}

func unscheduled(since time.Time) func(*Pod) {
	return func(p *Pod) {
		p.Spec.NodeName, p.Status.Phase, p.Status.StartTime = "", corev1.PodPending, nil
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, LastTransitionTime: at(since),
		}}
	}
}

func told(p *Pod) { one := int64(1); p.Spec.ActiveDeadlineSeconds = &one }

// inWords writes decisions as the tables do: "delete-job ttl-success", "wait ttl-success 12:00", "end-pod image-pull a".
func inWords(list []Decision) string {
	var words []string
	for _, d := range list {
		text := fmt.Sprintf("%s %s", d.Action, d.Reason)
		if d.Action == Wait {
			text += " " + d.At.Format("15:04")
		}
		if d.Pod != nil && d.Action != Wait {
			text += " " + d.Pod.Name
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// row is one row of a table.
type row struct {
	name string
	f    Facts
	set  func(*config.Cleanup)
	now  time.Time
	want string
}

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			s := usual()
			if r.set != nil {
				r.set(&s)
			}
			if got := inWords(Decide(r.f, s, r.now)); got != r.want {
				t.Errorf("got %s, want %s", got, r.want)
			}
		})
	}
}

func TestFinishedJobs(t *testing.T) {
	kept := pod("a", succeeded, sealed)
	only := []Pod{kept}
	check(t, []row{
		{"before its time", Facts{Job: job(done, open), Pods: only}, nil, noon.Add(-time.Second), "wait ttl-success 12:00"},
		{"at its time", Facts{Job: job(done, open), Pods: only}, nil, noon, "delete-job ttl-success"},
		{"failed ones have another time", Facts{Job: job(broken, open), Pods: only}, nil, noon, "wait ttl-failure 14:00"},
		{"failed ones go, too", Facts{Job: job(broken, open), Pods: only}, nil, evening, "delete-job ttl-failure"},
		{"its end lies in the future", Facts{Job: job(done, open), Pods: only}, nil, started1, "wait ttl-success 12:00"},
		{"no pods at all", Facts{Job: job(broken, open)}, nil, evening, "delete-job ttl-failure"},
		{"sealed: the gate opens first", Facts{Job: job(done), Pods: only}, nil, ended, "release sealed, wait ttl-success 12:00"},
		{"sealed late", Facts{Job: job(done), Pods: only}, nil, evening, "release sealed, delete-job ttl-success"},
		{"not sealed", Facts{Job: job(done), Pods: []Pod{pod("a", succeeded)}}, nil, evening, "keep unsealed"},
		{"not sealed and without a gate", Facts{Job: job(done, open), Pods: []Pod{pod("a", succeeded)}}, nil, ended, "hold gate, wait ttl-success 12:00"},
		{"not sealed, and had finished before", Facts{Job: job(done, open), Pods: []Pod{pod("a", succeeded)}, Since: noon}, nil, ended, "wait ttl-success 12:00"},
		{"one of two is not sealed", Facts{Job: job(done), Pods: []Pod{kept, pod("b", succeeded)}}, nil, evening, "keep unsealed"},
		{"one that is gone is not sealed", Facts{Job: job(done), Pods: only, Open: 1}, nil, evening, "keep unsealed"},
		{"not known yet: no gate for it", Facts{Job: job(done, open), Pods: []Pod{pod("a", succeeded, unproven)}}, nil, evening, "keep unsealed"},
		{"TTL 0", Facts{Job: job(done, open), Pods: only}, func(s *config.Cleanup) { s.TTLSuccess = 0 }, ended, "delete-job ttl-success"},
		{"cleanup off", Facts{Job: job(done), Pods: only}, func(s *config.Cleanup) { s.Enabled = false }, evening, "release sealed, keep disabled"},
		{"CronJob's", Facts{Job: job(done, open, ofCronJob), Pods: only}, nil, evening, "keep cronjob"},
		{"CronJob's, told so", Facts{Job: job(done, open, ofCronJob), Pods: only}, func(s *config.Cleanup) { s.CronJobs = true }, evening, "delete-job ttl-success"},
		{"CronJob's whose TTL was taken", Facts{Job: job(done, open, ofCronJob, annotated(mark.AdoptedTTL, "60")), Pods: only}, nil, evening, "delete-job adopted-ttl"},
	})
}

func TestAnnotationsBeatRules(t *testing.T) {
	only := []Pod{pod("a", succeeded, sealed)}
	an := func(key, value string) Facts { return Facts{Job: job(done, open, annotated(key, value)), Pods: only} }
	keepAll := func(s *config.Cleanup) { s.Rules = []config.Rule{{Name: "*", Keep: true}} }
	check(t, []row{
		{"keep", an(mark.Keep, "true"), nil, evening, "keep kept"},
		{"keep: anything else keeps, too", an(mark.Keep, ""), nil, evening, "keep kept"},
		{"keep: false", an(mark.Keep, "false"), nil, evening, "delete-job ttl-success"},
		{"ttl", an(mark.TTL, "7h"), nil, evening.Add(-2 * time.Hour), "wait annotation 17:00"},
		{"ttl is over", an(mark.TTL, "30m"), nil, noon.Add(-time.Hour), "delete-job annotation"},
		{"ttl for ever", an(mark.TTL, "forever"), nil, evening, "keep kept"},
		{"ttl that cannot be read", an(mark.TTL, "soon"), nil, evening, "keep bad-annotation"},
		{"expires", an(mark.Expires, "2026-11-24T20:00:00Z"), nil, evening, "wait annotation 20:00"},
		{"expired before its end", an(mark.Expires, "2026-11-23"), nil, ended, "delete-job annotation"},
		{"expires that cannot be read", an(mark.Expires, "x"), nil, evening, "keep bad-annotation"},
		{"adopted TTL", an(mark.AdoptedTTL, "3600"), nil, noon, "delete-job adopted-ttl"},
		{"adopted TTL, not yet", an(mark.AdoptedTTL, "10800"), nil, noon, "wait adopted-ttl 13:00"},
		{"adopted TTL that cannot be read", an(mark.AdoptedTTL, "1h"), nil, evening, "keep bad-annotation"},
		{"annotation over a rule that keeps", an(mark.TTL, "1h"), keepAll, noon, "delete-job annotation"},
		{"annotation over history", Facts{Job: job(done, open, annotated(mark.TTL, "8h")), Pods: only, Newer: 9},
			func(s *config.Cleanup) { s.HistoryLimit = 1 }, noon, "wait annotation 18:00"},
		{"own TTL over adopted", Facts{Job: job(done, open, annotated(mark.TTL, "1h"), annotated(mark.AdoptedTTL, "9999")), Pods: only}, nil, noon, "delete-job annotation"},
	})
}

func TestRules(t *testing.T) {
	only := []Pod{pod("a", succeeded, sealed)}
	hour, long, two := time.Hour, 9*time.Hour, 2
	ml, _ := labels.Parse("team=ml")
	rules := func(s *config.Cleanup) {
		s.Rules = []config.Rule{
			{Name: "audit-*", Keep: true}, {Kind: mark.Builder, TTLSuccess: &hour}, {Selector: ml, TTLSuccess: &long, HistoryLimit: &two},
		}
	}
	team := func(j *batchv1.Job) { j.Labels["team"] = "ml" }
	named := func(j *batchv1.Job) { j.Name = "audit-7" }
	check(t, []row{
		{"none matches", Facts{Job: job(done, open), Pods: only}, rules, noon, "delete-job ttl-success"},
		{"name", Facts{Job: job(done, open, named), Pods: only}, rules, evening, "keep kept"},
		{"kind", Facts{Job: job(done, open), Pods: only, Kind: mark.Builder}, rules, noon.Add(-time.Hour), "delete-job ttl-success"},
		{"labels", Facts{Job: job(done, open, team), Pods: only}, rules, evening, "wait ttl-success 19:00"},
		{"the first that matches counts", Facts{Job: job(done, open, team), Pods: only, Kind: mark.Builder}, rules, evening, "delete-job ttl-success"},
		{"what a rule leaves out is as the settings say", Facts{Job: job(broken, open, team), Pods: only}, rules, noon, "wait ttl-failure 14:00"},
		{"history of a rule", Facts{Job: job(done, open, team), Pods: only, Newer: 2}, rules, ended, "delete-job history"},
		{"within the history", Facts{Job: job(done, open, team), Pods: only, Newer: 1}, rules, ended, "wait ttl-success 19:00"},
		{"history of the settings", Facts{Job: job(done, open), Pods: only, Newer: 3}, func(s *config.Cleanup) { s.HistoryLimit = 3 }, ended, "delete-job history"},
		{"history waits for the seal", Facts{Job: job(done), Pods: []Pod{pod("a", succeeded)}, Newer: 3},
			func(s *config.Cleanup) { s.HistoryLimit = 3 }, ended, "keep unsealed"},
	})
}

func TestGate(t *testing.T) {
	never := func(s *config.Cleanup) { s.Gate = config.GateNever }
	only := func(s *config.Cleanup) { s.Gate = config.GateLaunchedOnly }
	launched := func(j *batchv1.Job) { j.Labels[mark.Kind] = mark.Runner }
	check(t, []row{
		{"put on at once", Facts{Job: job(open)}, nil, started1, "hold gate, keep running"},
		{"it is there", Facts{Job: job()}, nil, started1, "keep running"},
		{"never", Facts{Job: job(open)}, never, started1, "keep running"},
		{"launched only: not launched", Facts{Job: job(open)}, only, started1, "keep running"},
		{"launched only: launched", Facts{Job: job(open, launched)}, only, started1, "hold gate, keep running"},
		{"CronJob's is held all the same", Facts{Job: job(open, ofCronJob)}, nil, started1, "hold gate, keep cronjob"},
		{"cleanup off: held all the same", Facts{Job: job(open)}, func(s *config.Cleanup) { s.Enabled = false }, started1, "hold gate, keep disabled"},
		{"never: one from elsewhere is let go", Facts{Job: job(done), Pods: []Pod{pod("a", succeeded, sealed)}}, never, ended, "release sealed, wait ttl-success 12:00"},
		{"it was released by hand", Facts{Job: job(open, annotated(mark.Released, "2026-11-24T08:00:00Z"))}, nil, started1, "keep running"},
		{"a TTL is taken over", Facts{Job: job(ownTTL(60))}, nil, started1, "adopt-ttl gate, keep running"},
		{"with the gate", Facts{Job: job(open, ownTTL(60))}, nil, started1, "hold gate, adopt-ttl gate, keep running"},
		{"a TTL is left", Facts{Job: job(ownTTL(60))}, func(s *config.Cleanup) { s.AdoptTTL = false }, started1, "keep running"},
		{"a TTL that is left is Kubernetes' own", Facts{Job: job(done, open, ownTTL(60)), Pods: []Pod{pod("a", succeeded, sealed)}},
			func(s *config.Cleanup) { s.AdoptTTL = false }, evening, "keep kubernetes-ttl"},
		{"a CronJob's TTL is left", Facts{Job: job(ofCronJob, ownTTL(60))}, nil, started1, "keep cronjob"},
		{"cleanup off: a TTL is left", Facts{Job: job(ownTTL(60))}, func(s *config.Cleanup) { s.Enabled = false }, started1, "keep disabled"},
		{"a kept Job's TTL is taken, or it would not be kept", Facts{Job: job(ownTTL(60), annotated(mark.Keep, "true"))}, nil, started1, "adopt-ttl gate, keep kept"},
	})
}

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
		{"mount", with(pod("a", waits("ContainerCreating"), warned("FailedMount", started1, nine))), nil, nine, "keep running, end-pod mount a"},
		{"mount, long ago", with(pod("a", waits("ContainerCreating"), warned("FailedMount", started1, nine))), nil, nine.Add(lately), "keep running"},
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
	toldJob := func(j *batchv1.Job) { one := int64(1); j.Spec.ActiveDeadlineSeconds = &one }
	check(t, []row{
		{"within the grace", Facts{Job: job(), Events: refused}, nil, nine.Add(-time.Second), "keep running, wait no-pod 09:00"},
		{"after it", Facts{Job: job(), Events: refused}, nil, nine, "keep running, end-job no-pod"},
		{"it was told", Facts{Job: job(toldJob), Events: refused}, nil, nine, "keep running"},
		{"it has a pod after all", Facts{Job: job(active), Events: refused}, nil, nine, "keep running"},
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
		{"of a deleted Job", Facts{Job: job(deleted), Pods: []Pod{pod("a", held, ending(noon), sealed)}}, nil, noon, "release sealed, release-pod sealed a"},
		{"of no Job", Facts{Pods: []Pod{pod("a", held, ending(noon), sealed)}}, nil, noon, "keep deleting, release-pod sealed a"},
	})
}
