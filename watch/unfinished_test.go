package watch

import (
	"log/slog"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/epilogue-dev/epilogue/archive"
)

func TestUnfinished(t *testing.T) {
	w, err := New(Config{Namespace: "jobs", WorkloadLabels: []string{"workload"}}, Parts{Client: fake.NewClientset(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, stop := range []func(){w.seen.ShutDown, w.ended.ShutDown, w.unchecked.ShutDown, w.finishedJobs.ShutDown} {
			stop()
		}
	}()
	done := []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	waits := []batchv1.JobCondition{{Type: batchv1.JobSuspended, Status: corev1.ConditionTrue}}
	for name, conditions := range map[string][]batchv1.JobCondition{"builder": done, "runner": waits} {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: name, UID: "1", Labels: map[string]string{"workload": "w"}}}
		job.Status.Conditions = conditions
		if err := w.jobInformer.GetStore().Add(job); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		target archive.Target
		want   bool
	}{
		{archive.Target{Workload: "w"}, true},
		{archive.Target{Workload: "w", Namespace: "other"}, false},
		{archive.Target{Workload: "v"}, false},
		{archive.Target{Namespace: "jobs", Job: "runner"}, true},
		{archive.Target{Namespace: "jobs", Job: "runner", JobUID: "2"}, false},
		{archive.Target{Namespace: "jobs", Job: "builder"}, false},
		{archive.Target{Namespace: "jobs", Pod: "runner"}, false},
	} {
		if got := w.Unfinished(test.target); got != test.want {
			t.Errorf("%+v: got %v, want %v", test.target, got, test.want)
		}
	}
}
