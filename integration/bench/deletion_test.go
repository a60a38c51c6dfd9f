//go:build integration && bench

package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/mark"
)

var (
	jobs      = flag.Int("jobs", 10_000, "finished Jobs that are due at once")
	deletions = flag.Float64("deletions", 100, "how many of them the daemon may delete a second")
)

// mostCalls are a look at the Job, the Event about its end and its deletion.
const mostCalls = 3

// newDue makes a rig without a daemon, and the Sealer that fills its archive: the daemon reads through the S3 server
// what is written below it, which spares a benchmark of deletions ten thousand uploads.
func newDue(b *testing.B) (*rig, *counter, *seal.Sealer) {
	b.Helper()
	c, kubeconfig := counted(b)
	r := &rig{b: b, ns: plane.Namespace(b), kubeconfig: kubeconfig}
	r.startStore()
	store, derr := dir.Open(b.Context(), r.kept)
	codec, cerr := format.NewCodec()
	if derr != nil || cerr != nil {
		b.Fatal(derr, cerr)
	}
	log := slog.New(slog.DiscardHandler)
	spool, err := spool.Open(spool.Config{Dir: b.TempDir(), Limit: 1 << 20, Memory: 1 << 20, FlushInterval: time.Second}, codec, log)
	if err != nil {
		b.Fatal(err)
	}
	return r, c, seal.New(store, spool, "bench", log, func(error) {})
}

// finish makes archived Jobs, each of one pod that is gone, which end at the given time, and waits until the last one
// is there.
func (r *rig) finish(s *seal.Sealer, n int, end time.Time, annotations func(i int) map[string]string) {
	r.b.Helper()
	each(n, 16, func(i int) {
		if err := r.finishOne(s, fmt.Sprintf("due-%05d", i), end, annotations(i)); err != nil {
			r.b.Error(err)
		}
	})
	if r.b.Failed() {
		r.b.FailNow()
	}
}

func (r *rig) finishOne(s *seal.Sealer, name string, end time.Time, annotations map[string]string) error {
	client, ctx := plane.Client().BatchV1().Jobs(r.ns), r.b.Context()
	job, err := client.Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
		Spec: batchv1.JobSpec{Parallelism: new(int32), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	ref := archive.PodRef{Namespace: r.ns, Job: name, JobUID: archive.JobUID(job.UID), Pod: name + "-x", PodUID: archive.PodUID("pod-of-" + job.UID)}
	instance := archive.Instance{PodRef: ref, Container: "main", Kind: archive.KindMain}
	summary := archive.JobSummary{Name: name, UID: ref.JobUID, CreatedAt: job.CreationTimestamp.Time, FinishedAt: end, Succeeded: 1}
	if err := s.Pod(ctx, &archive.Manifest{
		Pod: archive.PodSummary{PodRef: ref, Phase: "Succeeded", CreatedAt: end}, Job: &summary,
		Instances: []archive.InstanceRecord{{Instance: instance, Verdict: archive.Empty}},
	}); err != nil {
		return err
	}
	if _, err := s.Job(ctx, ref, &archive.JobDocument{Namespace: r.ns, Job: summary}); err != nil {
		return err
	}
	at := metav1.NewTime(end)
	status := batchv1.JobStatus{Succeeded: 1, StartTime: &at, CompletionTime: &at}
	for _, is := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		status.Conditions = append(status.Conditions, batchv1.JobCondition{Type: is, Status: corev1.ConditionTrue, LastProbeTime: at, LastTransitionTime: at})
	}
	text, err := json.Marshal(map[string]any{"status": status})
	if err == nil { // a patch, as the daemon puts its gate on meanwhile
		_, err = client.Patch(ctx, name, types.MergePatchType, text, metav1.PatchOptions{}, "status")
	}
	return err
}

// BenchmarkDeletion deletes Jobs that are due: all at once, and one by one.
func BenchmarkDeletion(b *testing.B) {
	b.Run("burst", burst)
	b.Run("lag", lag)
}

// burst tells how fast the Jobs go, what each one costs the API server, and the daemon's memory meanwhile.
func burst(b *testing.B) {
	for b.Loop() {
		r, c, sealer := newDue(b)
		begin := time.Now()
		r.finish(sealer, *jobs, begin.Add(-time.Hour).Truncate(time.Second), func(int) map[string]string { return nil })
		b.Logf("%d Jobs are made after %.0f s", *jobs, time.Since(begin).Seconds())
		r.startDaemon([]string{"--ttl", "0s", "--cleanup-rate", fmt.Sprint(*deletions), "--api-qps", "2000", "--api-burst", "2000"})
		var peak float64
		r.daemon.await(b, "the deletions", 200*time.Millisecond, 3*time.Minute, func() bool {
			peak = max(peak, r.metric("go_memstats_heap_alloc_bytes"))
			return r.metric("epilogue_deletions_total") >= float64(*jobs)
		})
		b.ReportMetric(peak/(1<<20), "heap-MiB")
		b.ReportMetric(float64(r.daemon.memory(b, "VmHWM"))/(1<<20), "RSS-MiB")
		r.judge(c)
	}
}

// judge fails where a Job is left, cost too much or went faster than it may. How slowly they go depends on the machine.
func (r *rig) judge(c *counter) {
	r.b.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	r.nothingLeft()
	total, most := 0, 0
	for _, n := range c.calls {
		total, most = total+n, max(most, n)
	}
	times := slices.SortedFunc(maps.Values(c.deleted), time.Time.Compare)
	speed := float64(len(times)-1) / times[len(times)-1].Sub(times[0]).Seconds()
	if got, want := len(times), *jobs; got != want {
		r.b.Errorf("got %d Jobs deleted, want %d", got, want)
	}
	if most > mostCalls {
		r.b.Errorf("got %d requests for one Job, want at most %d", most, mostCalls)
	}
	if got, want := c.strays, max(100, *jobs/100); got > want {
		r.b.Errorf("got %d requests that name no Job, want at most %d", got, want)
	}
	if want := *deletions * 1.1; speed > want { // a tenth is the burst of a short run
		r.b.Errorf("got %.1f Jobs a second, want at most %.1f", speed, want)
	}
	r.b.ReportMetric(speed, "jobs/s")
	r.b.ReportMetric(speed / *deletions, "of-rate")
	r.b.ReportMetric(float64(total)/float64(*jobs), "calls/job")
	r.b.ReportMetric(float64(most), "most-calls")
	r.b.ReportMetric(float64(c.strays), "other-calls")
}

func (r *rig) nothingLeft() {
	r.b.Helper()
	left, err := plane.Client().BatchV1().Jobs(r.ns).List(r.b.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		r.b.Fatal(err)
	}
	if len(left.Items) > 0 {
		r.b.Errorf("got Job %s left, want none", left.Items[0].Name)
	}
}

// lag tells the time from when a Job is due to the request that deletes it: Jobs that are due 150 ms apart, at the
// default rate.
func lag(b *testing.B) {
	const count, apart, notice, most = 100, 150 * time.Millisecond, 10 * time.Second, 1.0
	for b.Loop() {
		r, c, sealer := newDue(b)
		r.startDaemon(nil)
		end := time.Now().Truncate(time.Second)
		ttl := func(i int) time.Duration { return notice + time.Duration(i)*apart }
		r.finish(sealer, count, end, func(i int) map[string]string { return map[string]string{mark.TTL: ttl(i).String()} })
		if early := time.Until(end.Add(notice)); early <= 0 {
			b.Fatalf("the Jobs were made %s too late, so they are not due one by one", -early)
		}
		r.daemon.await(b, "the deletions", 100*time.Millisecond, time.Minute, func() bool {
			return r.metric("epilogue_deletions_total") >= count
		})
		r.nothingLeft()
		var lags []float64
		for i := range count {
			lags = append(lags, c.deletedAt(fmt.Sprintf("due-%05d", i)).Sub(end.Add(ttl(i))).Seconds())
		}
		if got := quantile(lags, 0.99); got > most {
			b.Errorf("got a lag of %.2f s at p99, want at most %.0f s", got, most)
		}
		if got := quantile(lags, 0); got < 0 {
			b.Errorf("got a Job deleted %.3f s before its time", -got)
		}
		report(b, lags)
	}
}
