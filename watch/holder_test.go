package watch

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/lease"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// The holder of a log is its Job's owner, by whatever name the log is asked for; what this replica owns, and what
// nobody knows, has none.
func TestHolder(t *testing.T) { synctest.Test(t, holders) }

func holders(t *testing.T) {
	client := watchtest.NewLeaseServer()
	leases := sharing(t, client, "a", "here")
	sharing(t, client, "b", "there")
	watchtest.Pass(2 * time.Second)
	w, err := New(Config{Namespace: "jobs", Replica: "a", WorkloadLabels: []string{"workload"}}, Parts{Client: client, Leases: leases, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // no goroutine may outlive the bubble
		for _, stop := range []func(){w.seen.ShutDown, w.ended.ShutDown, w.unchecked.ShutDown, w.finishedJobs.ShutDown} {
			stop()
		}
	})
	own, other := ownedBy("a"), ownedBy("b")
	add := func(name string, uid types.UID, age time.Duration) {
		t.Helper()
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
			Namespace: "jobs", Name: name, UID: uid, Labels: map[string]string{"workload": "w"}, CreationTimestamp: metav1.NewTime(time.Unix(1000, 0).Add(-age)),
		}}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: name + "-pod", UID: "pod-of-" + uid, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "batch/v1", Kind: "Job", Name: name, UID: uid, Controller: new(true)},
		}}}
		if err := w.jobInformer.GetStore().Add(job); err != nil {
			t.Fatal(err)
		}
		if err := w.podInformer.GetStore().Add(pod); err != nil {
			t.Fatal(err)
		}
	}
	add("mine", own, time.Hour)
	add("theirs", other, 0)
	tests := []struct {
		name   string
		target archive.Target
		want   string
	}{
		{"own Job", archive.Target{Namespace: "jobs", Job: "mine"}, ""},
		{"Job of another one", archive.Target{Namespace: "jobs", Job: "theirs"}, "there"},
		{"by UID", archive.Target{Namespace: "jobs", Job: "gone", JobUID: archive.JobUID(other)}, "there"},
		{"own pod", archive.Target{Namespace: "jobs", Pod: "mine-pod"}, ""},
		{"pod of another one", archive.Target{Namespace: "jobs", Pod: "theirs-pod"}, "there"},
		{"pod that had the name", archive.Target{Namespace: "jobs", Pod: "theirs-pod", PodUID: "older"}, ""},
		{"workload, by its newest Job", archive.Target{Workload: "w"}, "there"},
		{"unknown workload", archive.Target{Workload: "x"}, ""},
		{"unknown Job", archive.Target{Namespace: "jobs", Job: "none"}, ""},
		{"another namespace", archive.Target{Namespace: "others", Job: "theirs"}, ""},
	}
	for _, test := range tests {
		if got := w.Holder(test.target); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	w.parts.Leases = nil
	if got := w.Holder(archive.Target{Namespace: "jobs", Job: "theirs"}); got != "" {
		t.Errorf("alone: got %q, want none", got)
	}
}

// sharing runs the Leases of a replica for the length of the test.
func sharing(t *testing.T, client *watchtest.LeaseServer, replica, api string) *lease.Leases {
	t.Helper()
	cfg := lease.Config{Namespace: "system", Group: "epilogue", Replica: replica, Duration: watchtest.LeaseTime, API: api}
	l, err := lease.New(cfg, client, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return l
}

// ownedBy returns the UID of a Job that the replica owns, of a and b.
func ownedBy(replica string) types.UID {
	for n := byte('a'); ; n++ {
		if uid := types.UID([]byte{n}); lease.Owner(uid, []string{"a", "b"}) == replica {
			return uid
		}
	}
}
