//go:build integration && bench

package bench

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// jobCache is an informer's, trimmed as the watcher's is.
type jobCache struct{ cache.Store }

func (c jobCache) Jobs() []*batchv1.Job {
	var jobs []*batchv1.Job
	for _, o := range c.List() {
		jobs = append(jobs, o.(*batchv1.Job))
	}
	return jobs
}

func (c jobCache) Job(name string) *batchv1.Job {
	for _, o := range c.List() {
		if job := o.(*batchv1.Job); job.Name == name {
			return job
		}
	}
	return nil
}

func (jobCache) PodsOf(types.UID) []*corev1.Pod { return nil }

// launcher returns one over a namespace of its own.
func launcher(b *testing.B, running int) (l *launch.Launcher, client kubernetes.Interface, ns string) {
	b.Helper()
	ns = plane.Namespace(b)
	config := plane.RESTConfig()
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	f := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(ns), informers.WithTransform(pods.Trim))
	informer := f.Batch().V1().Jobs().Informer()
	l = launch.New(launch.Config{
		Shape: launch.Shape{Namespace: ns, ServiceAccount: "runner"}, Limits: launch.Limits{Total: running, Queued: 100_000},
	}, launch.Parts{
		Client: client, Cache: jobCache{informer.GetStore()}, Owns: func() bool { return true },
		Metrics: metrics.NewLaunch(nil), Log: slog.New(slog.DiscardHandler),
	})
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { l.See(o.(*batchv1.Job).UID) },
		UpdateFunc: func(_, o any) { l.See(o.(*batchv1.Job).UID) },
	}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	f.Start(ctx.Done())
	f.WaitForCacheSync(ctx.Done())
	var work sync.WaitGroup
	work.Go(func() { l.Run(ctx) })
	b.Cleanup(func() { cancel(); work.Wait() })
	return l, client, ns
}

func submit(b *testing.B, l *launch.Launcher, n int) {
	b.Helper()
	_, err := l.Start(b.Context(), launch.Run{
		Workload: fmt.Sprintf("w-%d", n), Image: "registry.example/main:1", Environment: map[string]string{"TOKEN": "x"},
	})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkSubmit fills a queue of 1,000, eight callers at once: each run is a Job, a Secret and a patch.
func BenchmarkSubmit(b *testing.B) {
	for b.Loop() {
		l, _, _ := launcher(b, 1)
		const runs = 1000
		began := time.Now()
		next := make(chan int)
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for n := range next {
					submit(b, l, n)
				}
			})
		}
		for n := range runs {
			next <- n
		}
		close(next)
		callers.Wait()
		b.ReportMetric(runs/time.Since(began).Seconds(), "runs/s")
	}
}

// BenchmarkSubmitToPod measures how long it is from a request to its pod, with a slot free and 1,000 Jobs in the queue
// that cannot start. The Job controller is the real one.
func BenchmarkSubmitToPod(b *testing.B) {
	if err := plane.StartJobController(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, client, ns := launcher(b, 100_000)
		for n := range 1000 { // suspended, and not prepared: they wait for ever
			job := &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{
					Name: fmt.Sprintf("waits-%d", n), Labels: map[string]string{"epilogue.dev/kind": "runner", "epilogue.dev/workload-id": "other"},
					Annotations: map[string]string{"epilogue.dev/queued-at": "2026-11-24T06:00:00.000000000Z"},
				},
				Spec: batchv1.JobSpec{Suspend: new(true), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
				}}},
			}
			if _, err := client.BatchV1().Jobs(ns).Create(b.Context(), job, metav1.CreateOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		pods, err := client.CoreV1().Pods(ns).Watch(b.Context(), metav1.ListOptions{})
		if err != nil {
			b.Fatal(err)
		}
		var took []time.Duration
		for n := range 50 {
			began := time.Now()
			submit(b, l, n)
			for e := range pods.ResultChan() {
				if e.Type == apiwatch.Added {
					break
				}
			}
			took = append(took, time.Since(began))
		}
		pods.Stop()
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-median")
		b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "ms-p95")
	}
}
