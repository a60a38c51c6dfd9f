package watch

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/lease"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// orphan is a pod whose Job is gone.
func orphan(name, job string) *corev1.Pod {
	controller := true
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: name, UID: types.UID(name + "-uid"), Labels: map[string]string{pods.JobLabel: job},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job, UID: types.UID(job + "-uid"), Controller: &controller}},
	}}
}

func TestSparesWhatIsThere(t *testing.T) {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "there", UID: "there-uid"}}
	w, err := New(Config{Namespace: "ns"}, Parts{Client: fake.NewClientset(job, orphan("orphan", "gone"))})
	if err != nil {
		t.Fatal(err)
	}
	ref := func(job string) archive.PodRef {
		return archive.PodRef{Namespace: "ns", Job: job, JobUID: archive.JobUID(job + "-uid")}
	}
	w.narrow(lease.Roster{Self: "me", Live: []string{"me"}})
	if !w.Spares(ref("never")) {
		t.Error("got false before the caches are filled, want everything spared")
	}
	for _, f := range w.factories {
		f.Start(t.Context().Done())
	}
	if !cache.WaitForCacheSync(t.Context().Done(), w.podInformer.HasSynced, w.jobInformer.HasSynced) {
		t.Fatal("the caches were not filled")
	}
	successor := ref("there")
	successor.JobUID = "earlier-uid"
	tests := []struct {
		name string
		ref  archive.PodRef
		want bool
	}{
		{"a Job that is there", ref("there"), true},
		{"a Job of whose pods one is there", ref("gone"), true},
		{"a Job that is gone", ref("never"), false},
		{"a Job whose name another one has now", successor, false},
		{"a pod that is there", archive.PodRef{Namespace: "ns", Pod: "orphan", PodUID: "orphan-uid"}, true},
		{"a pod that is gone", archive.PodRef{Namespace: "ns", Pod: "orphan", PodUID: "earlier-uid"}, false},
	}
	for _, test := range tests {
		if got := w.Spares(test.ref); got != test.want {
			t.Errorf("%s: got spared: %t, want %t", test.name, got, test.want)
		}
	}
	w.narrow()
	if !w.Spares(ref("never")) {
		t.Error("got false for what this replica does not own, want it spared")
	}
}
