package watch

import (
	"log/slog"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/watch/pods"
)

// A listener hears of a Job and of its pods, from their coming to their going, and finds in the cache what it heard of.
func TestListen(t *testing.T) {
	ctx := t.Context()
	client := fake.NewClientset()
	w, err := New(Config{Namespace: "jobs"}, Parts{Client: client, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan types.UID, 100)
	w.Listen(func(job types.UID) { heard <- job })
	for _, f := range w.factories {
		f.Start(ctx.Done())
	}
	if !cache.WaitForCacheSync(ctx.Done(), w.podInformer.HasSynced, w.jobInformer.HasSynced) {
		t.Fatal("the caches are not filled")
	}
	hear := func(of string) {
		t.Helper()
		select {
		case got := <-heard:
			if want := types.UID("uid"); got != want {
				t.Errorf("%s: heard of Job %q, want %q", of, got, want)
			}
		case <-ctx.Done():
			t.Fatalf("%s: heard nothing", of)
		}
	}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "job", Namespace: "jobs", UID: "uid"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "pod", Namespace: "jobs", UID: "pod-uid", Labels: map[string]string{pods.JobLabel: "job"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "job", UID: "uid", Controller: new(true)}},
	}}
	if _, err := client.BatchV1().Jobs("jobs").Create(ctx, job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	hear("a new Job")
	if _, err := client.CoreV1().Pods("jobs").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	hear("a new pod")
	if len(w.Jobs()) != 1 || w.Job("job") == nil || w.Job("other") != nil || len(w.PodsOf("uid")) != 1 || len(w.PodsOf("other")) != 0 {
		t.Errorf("got Jobs %v and pods %v, want one each", w.Jobs(), w.PodsOf("uid"))
	}
	if err := client.CoreV1().Pods("jobs").Delete(ctx, "pod", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	hear("a pod that goes")
	if err := client.BatchV1().Jobs("jobs").Delete(ctx, "job", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	hear("a Job that goes")
}

func TestListenHearsOfTombstones(t *testing.T) {
	w := &Watcher{}
	var got []types.UID
	w.Listen(func(job types.UID) { got = append(got, job) })
	w.tell(cache.DeletedFinalStateUnknown{Obj: &batchv1.Job{ObjectMeta: metav1.ObjectMeta{UID: "uid"}}})
	w.tell(&corev1.Pod{}) // a bare pod is no Job's
	if len(got) != 1 || got[0] != "uid" {
		t.Errorf("heard %v, want uid once", got)
	}
}
