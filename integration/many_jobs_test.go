//go:build integration

package integration

import (
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/controlplane"
)

// TestFaultManyFinishedJobs has a daemon start beside Jobs that have finished long ago, with their documents to be
// written, and the API server come back later with another history, so that all of them are listed anew. Each takes a
// fraction of what it is in the API server, and no more the second time; nothing is asked about any of them; and a Job
// among them is archived as ever. It runs alone, for it measures the whole process.
func TestFaultManyFinishedJobs(t *testing.T) {
	own := controlplane.Start(t)
	store := &documents{Store: storetest.NewMemory(t)}
	s := tidy()
	s.TTLSuccess, s.TTLFailure = 24*time.Hour, 24*time.Hour
	r := newRig(t, setting{plane: own, store: store, cleanup: s, quiet: true, patience: 10 * patience})
	must(t, own.SeedJobs(r.ctx, r.finished(finishedJobs)))
	whole := perJob(t, r.finished(2000))
	before := held()
	r.start()
	r.await("every Job's document", func() bool { return store.written.Load() == finishedJobs })
	first := held() - before
	each := float64(first) / finishedJobs
	t.Logf("%d Jobs: %.0f bytes of memory each, of %.0f that one is", finishedJobs, each, whole)
	if most := min(whole*0.8, 4500); each > most {
		t.Errorf("got %.0f bytes of memory for each Job, want at most %.0f", each, most)
	}
	own.KillAPIServer()
	must(t, own.Compact(r.ctx))
	must(t, own.RestartAPIServer())
	p, c := r.running()
	write(c, 0, 100)
	r.followed(c)
	c.Exit(0)
	r.complete(p, c)
	// While they are listed both lists are there, and the new one is not cut down yet.
	r.await(fmt.Sprintf("%d KiB of memory, as before all were listed anew, and a tenth", first>>10), func() bool { return held()-before <= first+first/10 })
	if n := store.written.Load(); n != finishedJobs {
		t.Errorf("got %d documents written, want one for each of the %d Jobs", n, finishedJobs)
	}
}

// finished returns Jobs that ended an hour ago. They look like those of pipelines.
func (r *rig) finished(n int) iter.Seq[*batchv1.Job] {
	end := metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second))
	one, instant := int32(1), types.UID("00000000-0000-4000-9000-")
	return func(yield func(*batchv1.Job) bool) {
		for i := range n {
			uid := instant + types.UID(fmt.Sprintf("%012d", i))
			labels := map[string]string{"controller-uid": string(uid), "batch.kubernetes.io/controller-uid": string(uid)}
			job := &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: r.ns, Name: fmt.Sprintf("%s%d", seeded, i), UID: uid, Generation: 1, CreationTimestamp: metav1.NewTime(end.Add(-time.Minute)),
					Annotations:   map[string]string{"example.com/note": strings.Repeat("n", 500)},
					ManagedFields: writers(end),
				},
				Spec: batchv1.JobSpec{
					Parallelism: &one, Completions: &one, Selector: &metav1.LabelSelector{MatchLabels: labels},
					Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: template(i)},
				},
				Status: batchv1.JobStatus{
					StartTime: &metav1.Time{Time: end.Add(-time.Minute)}, CompletionTime: &end, Succeeded: 1, UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{},
					Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastProbeTime: end, LastTransitionTime: end}},
				},
			}
			if !yield(job) {
				return
			}
		}
	}
}

const seeded = "seeded-"

// writers returns what the API server keeps of who wrote a Job: of two writers, some kilobytes.
func writers(at metav1.Time) (all []metav1.ManagedFieldsEntry) {
	fields := `{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{"f:env":{` +
		strings.TrimSuffix(strings.Repeat(`"k:{\"name\":\"VARIABLE\"}":{".":{},"f:name":{},"f:value":{}},`, 20), ",") + `}}}}}}}`
	for _, manager := range []string{"zenml", "kube-controller-manager"} {
		all = append(all, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "batch/v1", Time: &at, FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(fields),
		})
	}
	return all
}

func template(n int) corev1.PodSpec {
	c := corev1.Container{Name: "main", Image: "registry.example/pipelines/step:1", Command: []string{"python", "-m", "zenml.step"}}
	for i := range 15 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", i), Value: fmt.Sprintf("value %d of %d %s", i, n, strings.Repeat("v", 60))})
	}
	return corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{c}}
}

// perJob returns what a Job takes in memory as it comes from the API server.
func perJob(t *testing.T, jobs iter.Seq[*batchv1.Job]) float64 {
	t.Helper()
	var all []*batchv1.Job
	before := held()
	for job := range jobs {
		text, err := job.Marshal()
		must(t, err)
		came := &batchv1.Job{}
		must(t, came.Unmarshal(text))
		all = append(all, came)
	}
	each := float64(held()-before) / float64(len(all))
	runtime.KeepAlive(all)
	return each
}

// held returns the bytes that are in use once the collector has been, and once more for what it only put aside.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// documents is a store that notes of the documents of seeded Jobs that they are there, and keeps none in this process,
// whose memory is measured.
type documents struct {
	archive.Store
	written atomic.Int64
	there   [finishedJobs]atomic.Bool
}

// of returns the number of the seeded Job whose document the key names.
func (d *documents) of(key archive.Key) (n int, ok bool) {
	_, rest, _ := strings.Cut(string(key), "/"+seeded)
	number, file, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	return n, err == nil && strings.HasSuffix(file, "/job.json")
}

func (d *documents) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	n, ok := d.of(key)
	switch {
	case ok && d.there[n].Swap(true):
		return archive.ErrExists
	case ok:
		d.written.Add(1)
	case !strings.Contains(string(key), seeded):
		return d.Store.Put(ctx, key, body, opts)
	}
	_, err := io.Copy(io.Discard, body)
	return err
}

func (d *documents) Get(ctx context.Context, key archive.Key, r archive.Range) (io.ReadCloser, archive.Object, error) {
	if n, ok := d.of(key); ok && d.there[n].Load() {
		const text = `{"pods": [{}]}`
		return io.NopCloser(strings.NewReader(text)), archive.Object{Key: key, Size: int64(len(text))}, nil
	}
	return d.Store.Get(ctx, key, r)
}
