package watch

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/lease"
)

// standing fills the caches of a Watcher that does not run.
func standing(t *testing.T, objects ...any) *Watcher {
	t.Helper()
	w, err := New(Config{Namespace: "jobs", WorkloadLabels: []string{mark.WorkloadID}}, Parts{Client: fake.NewClientset(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		store := w.podInformer.GetStore()
		switch o.(type) {
		case *batchv1.Job:
			store = w.jobInformer.GetStore()
		case *corev1.Event:
			store = w.eventInformer.GetStore()
		}
		if err := store.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func jobPod(job types.UID, uid types.UID) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "jobs", Name: string(uid), UID: uid,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: string(job), UID: job, Controller: new(true)}},
	}}
}

func TestStanding(t *testing.T) {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "j", UID: "j", Labels: map[string]string{mark.Kind: mark.Builder}}}
	sealed, open, fresh, unseen := jobPod("j", "sealed"), jobPod("j", "open"), jobPod("j", "fresh"), jobPod("j", "unseen")
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "e"}, InvolvedObject: corev1.ObjectReference{UID: "open"}}
	w := standing(t, job, sealed, open, fresh, unseen, jobPod("other", "stranger"), event)
	if got := w.Standing("j"); !got.Since.IsZero() || got.Job == nil || len(got.Pods) != 0 {
		t.Errorf("before it acts: got %+v, want the Job alone", got)
	}
	w.narrow(lease.Roster{Self: "a", Live: []string{"a"}})
	w.actingSince = time.Now()
	checked, unchecked, left := newPod(open), newPod(fresh), newPod(jobPod("j", "left"))
	checked.checked = true
	w.known.put("open", checked)
	w.known.put("fresh", unchecked)
	w.known.put("left", left)
	w.done["sealed"] = true

	got := w.Standing("j")
	if got.Since.IsZero() || got.Kind != mark.Builder || got.Open != 1 {
		t.Errorf("got since %s, kind %q, %d open, want a time, builder and the one that left", got.Since, got.Kind, got.Open)
	}
	want := map[types.UID][2]bool{"sealed": {true, false}, "open": {false, false}, "fresh": {false, true}, "unseen": {false, true}}
	for _, p := range got.Pods {
		if state := [2]bool{p.Sealed, p.Unproven}; state != want[p.UID] {
			t.Errorf("%s: got sealed %t, unproven %t, want %v", p.UID, p.Sealed, p.Unproven, want[p.UID])
		}
		if got, want := len(p.Events), map[types.UID]int{"open": 1}[p.UID]; got != want {
			t.Errorf("%s: got %d Events, want %d", p.UID, got, want)
		}
		delete(want, p.UID)
	}
	if len(want) > 0 {
		t.Errorf("without %v", want)
	}
	for _, uid := range []types.UID{"open", "fresh", "left"} {
		w.known.drop(uid)
		w.known.drop(uid)
	}
	if got := w.Standing("j").Open; got != 0 || len(w.known.ofJob) != 0 {
		t.Errorf("got %d open and %d Jobs with unsealed pods, want none", got, len(w.known.ofJob))
	}
	if got := w.Standing("gone"); got.Job != nil || len(got.Pods) != 0 {
		t.Errorf("got %+v of a Job that nobody knows, want nothing", got)
	}
}

func TestRelated(t *testing.T) {
	of := func(name, workload, kind string) *batchv1.Job {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: name, UID: types.UID(name), Labels: map[string]string{}}}
		if workload != "" {
			j.Labels[mark.WorkloadID] = workload
		}
		if kind != "" {
			j.Labels[mark.Kind] = kind
		}
		return j
	}
	a, none := of("a", "w", mark.Runner), of("none", "", "")
	w := standing(t, a, of("b", "w", mark.Runner), of("builder", "w", mark.Builder), of("c", "x", mark.Runner), none, of("none2", "", ""))
	for _, tt := range []struct {
		job  *batchv1.Job
		want []string
	}{{a, []string{"a", "b"}}, {none, nil}} {
		var got []string
		for _, j := range w.Related(tt.job) {
			got = append(got, j.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.job.Name, got, tt.want)
		}
	}
}

func TestEventsTellOfTheirJob(t *testing.T) {
	w := standing(t, jobPod("j", "p"))
	var heard []types.UID
	w.Listen(func(job types.UID) { heard = append(heard, job) })
	say := func(kind, name, reason, severity string) {
		w.seeEvent(&corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "jobs"}, Type: severity, Reason: reason,
			InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name, UID: types.UID(name)},
		})
	}
	say("Pod", "p", "FailedMount", "Warning")
	say("Job", "k", "FailedCreate", "Warning")
	say("Pod", "p", "Pulled", "Normal")          // says nothing new
	say("Pod", "gone", "FailedMount", "Warning") // is nobody's
	if want := []types.UID{"j", "k"}; !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
}
