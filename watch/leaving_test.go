package watch

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/archive"
)

// waiter waits for a target to be gone.
type waiter struct {
	ended chan struct{}
	err   error
}

func (w *waiter) over() bool {
	synctest.Wait()
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// TestAwaitGone: whoever waits hears of the end by the event that says it, without the passing of any time, and not
// before the last Job of the target has left.
func TestAwaitGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(Config{Namespace: "jobs", WorkloadLabels: []string{"workload"}}, Parts{Client: fake.NewClientset(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			for _, stop := range []func(){w.seen.ShutDown, w.ended.ShutDown, w.unchecked.ShutDown, w.finishedJobs.ShutDown} {
				stop()
			}
		}()
		began := time.Now()
		add := func(name string, uid types.UID) *batchv1.Job {
			job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: name, UID: uid, Labels: map[string]string{"workload": "w"}}}
			if err := w.jobInformer.GetStore().Add(job); err != nil {
				t.Fatal(err)
			}
			return job
		}
		// As the informer does it: first the cache, then the handlers.
		remove := func(job *batchv1.Job) {
			if err := w.jobInformer.GetStore().Delete(job); err != nil {
				t.Fatal(err)
			}
			w.jobLeft(cache.DeletedFinalStateUnknown{Obj: job})
		}
		await := func(ctx context.Context, target archive.Target) *waiter {
			one := &waiter{ended: make(chan struct{})}
			go func() {
				defer close(one.ended)
				one.err = w.AwaitGone(ctx, target)
			}()
			return one
		}
		first, second := add("run", "1"), add("retry", "2")
		job := await(t.Context(), archive.Target{Namespace: "jobs", Job: "run"})
		byUID := await(t.Context(), archive.Target{Namespace: "jobs", Job: "run", JobUID: "1"})
		workload := await(t.Context(), archive.Target{Workload: "w"})
		never := await(t.Context(), archive.Target{Namespace: "jobs", Job: "none"})
		ctx, stop := context.WithCancel(t.Context())
		elsewhere := await(ctx, archive.Target{Namespace: "others", Job: "run"})
		if never.over() {
			t.Error("a Job is taken for gone before the caches are filled")
		}
		close(w.filled)
		if !never.over() {
			t.Error("a Job that nobody knows is waited for")
		}
		if job.over() || byUID.over() || workload.over() {
			t.Error("a Job that is there is taken for gone")
		}
		remove(first)
		add("run", "3")
		if !byUID.over() || byUID.err != nil {
			t.Errorf("the Job of that UID has left, and its waiter has not heard of it (%v)", byUID.err)
		}
		remove(second)
		if workload.over() {
			t.Error("a Job of the workload is there, and the workload is taken for gone")
		}
		remove(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "run", UID: "3"}})
		if !job.over() || !workload.over() || job.err != nil || workload.err != nil {
			t.Errorf("all Jobs have left, and their waiters have not heard of it (%v, %v)", job.err, workload.err)
		}
		if elsewhere.over() {
			t.Error("a Job of another namespace is taken for gone")
		}
		stop()
		if !elsewhere.over() || !errors.Is(elsewhere.err, context.Canceled) {
			t.Errorf("got %v, want the context's end", elsewhere.err)
		}
		if waited := time.Since(began); waited != 0 || len(w.leaving.jobs) != 0 {
			t.Errorf("it took %v, and %d Jobs are still waited for, want neither", waited, len(w.leaving.jobs))
		}
	})
}
