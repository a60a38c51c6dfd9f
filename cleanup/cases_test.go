package cleanup

import (
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch"
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
	p := Pod{PodStanding: watch.PodStanding{Pod: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "jobs", UID: types.UID(name), CreationTimestamp: start,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "job", UID: "job-uid"}},
		},
		Spec:   corev1.PodSpec{NodeName: "node"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &start},
	}}}
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

// ready and unreadyNow let the kubelet say whether it could give the pod its volumes and its network.
func ready(p *Pod)      { readiness(p, corev1.ConditionTrue) }
func unreadyNow(p *Pod) { readiness(p, corev1.ConditionFalse) }

func readiness(p *Pod, is corev1.ConditionStatus) {
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: is})
}

func since(text string) func(*batchv1.Job) { return annotated(mark.HeldSince, text) }

func seenAt(text string) func(*Pod) {
	return func(p *Pod) { p.Annotations = map[string]string{mark.HeldSince: text} }
}

func told(p *Pod) { one := int64(1); p.Spec.ActiveDeadlineSeconds = &one }

// inWords writes decisions as the tables do: "delete-job ttl-success", "wait ttl-success 12:00",
// "end-pod image-pull a".
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
