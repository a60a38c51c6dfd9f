package watch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/watch/api"
	"github.com/epilogue-dev/epilogue/watch/follow"
	"github.com/epilogue-dev/epilogue/watch/lease"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/work"
)

// Config says what is watched and how it is followed.
type Config struct {
	Namespace      string
	Selector       string   // label selector of the Jobs; "": all
	WorkloadLabels []string // labels whose values are workload ids
	Follow         follow.Config
	Sealers        int    // pods that are sealed at once
	Replica        string // this process's name, the one of its journal
}

// Parts are what a Watcher works with.
type Parts struct {
	Client kubernetes.Interface
	Source follow.Source
	Budget *follow.Budget
	Spool  *spool.Spool
	Sealer *seal.Sealer
	Follow *metrics.Follow // nil: nobody asks
	Seal   *metrics.Seal   // nil: nobody asks
	Log    *slog.Logger

	Journal Journal       // nil: none, and nothing is handed over or taken over
	Leases  *lease.Leases // nil: this replica is alone and owns everything
	Own     *metrics.Own  // nil: nobody asks
	Clock   *api.Clock    // the API server's; nil: this machine's is as good
}

// counted fills in counters where nobody asks, and starts those that have labels at zero.
func (p Parts) counted() Parts {
	if p.Own == nil {
		p.Own = metrics.NewOwn(nil)
	}
	if p.Follow == nil {
		p.Follow = metrics.NewFollow(nil)
	}
	if p.Seal == nil {
		p.Seal = metrics.NewSeal(nil)
	}
	metrics.FromZero(p.Follow.Gaps, archive.GapReasons...)
	metrics.FromZero(p.Seal.Logs, archive.Verdicts...)
	return p
}

// Watcher sees pods and Jobs, has every instance followed and every ended pod sealed.
//
// The queues hold keys only: `seen` brings a pod's followers up to what the cache says and never waits for the store,
// for a log that nobody opens is lost; `ended` seals, and may wait for the store as long as it takes. Between them
// `unchecked` asks the store for pods that had ended before they were seen, and does not wait long.
type Watcher struct {
	cfg   Config
	parts Parts
	log   *slog.Logger

	factories     []informers.SharedInformerFactory
	podInformer   cache.SharedIndexInformer
	jobInformer   cache.SharedIndexInformer
	eventInformer cache.SharedIndexInformer
	pods          corelisters.PodLister
	jobs          batchlisters.JobLister
	seen, ended   work.Queue[podKey]
	unchecked     work.Queue[podKey]
	finishedJobs  work.Queue[jobKey]
	followers     sync.WaitGroup
	listeners     []func(job types.UID)               // set before Run
	settlers      []func(job types.UID, written bool) // set before Run
	leaving       leaving
	past          past
	filled        chan struct{} // closed once the caches are filled

	mu      sync.Mutex
	rosters []lease.Roster     // guarded by mu; this replica acts for what it owns by all of them
	known   unsealed           // guarded by mu; the pods that are not sealed yet, of those that it owns
	done    map[types.UID]bool // guarded by mu; sealed pods that the cache still holds
	resting map[types.UID]bool // guarded by mu; pods whose logs are being taken over
	missing []departed         // guarded by mu; pods that left while another replica owned them
	acting  atomic.Bool        // it has acted once

	actingSince time.Time // guarded by mu; when the present owners were accepted, by the API server's clock

	// guarded by mu; Jobs that have left the cache and whose document is not looked for yet
	left map[types.UID]*batchv1.Job

	silentUntil time.Time // guarded by mu; until then the store is not asked whether a pod is sealed
}

// podKey names a pod for good: a name alone may be another pod's tomorrow.
type podKey struct {
	types.NamespacedName
	uid types.UID
}

const byJob = "job"

// New makes a Watcher. Nothing runs before Run.
func New(cfg Config, parts Parts) (*Watcher, error) {
	parts = parts.counted()
	w := &Watcher{
		cfg: cfg, parts: parts, log: parts.Log, known: newUnsealed(), done: map[types.UID]bool{},
		resting: map[types.UID]bool{}, left: map[types.UID]*batchv1.Job{}, filled: make(chan struct{}),
		seen:         work.New[podKey]("pods"),
		unchecked:    work.New[podKey]("checks"),
		ended:        work.New[podKey]("seals"),
		finishedJobs: work.New[jobKey]("jobs"),
	}
	// A factory for each kind, because the selections differ. All pods come, for those of a Job with a selector of its
	// own have no label that tells; what is of no Job is cut down to its name.
	podList := w.factory(func(*metav1.ListOptions) {}, w.trim).Core().V1().Pods()
	jobs := w.factory(func(o *metav1.ListOptions) { o.LabelSelector = cfg.Selector }, pods.Trim).Batch().V1().Jobs()
	events := w.factory(func(*metav1.ListOptions) {}, pods.Trim).Core().V1().Events()
	w.podInformer, w.jobInformer, w.eventInformer = podList.Informer(), jobs.Informer(), events.Informer()
	w.pods, w.jobs = podList.Lister(), jobs.Lister()
	if err := w.eventInformer.AddIndexers(cache.Indexers{byObject: involved}); err != nil {
		return nil, fmt.Errorf("index Events by object: %w", err)
	}
	err := w.podInformer.AddIndexers(cache.Indexers{byJob: func(object any) ([]string, error) {
		if owner := pods.Job(object.(*corev1.Pod)); owner != nil {
			return []string{string(owner.UID)}, nil
		}
		return nil, nil
	}})
	if err != nil {
		return nil, fmt.Errorf("index pods by Job: %w", err)
	}
	if err := w.indexJobs(); err != nil {
		return nil, fmt.Errorf("index Jobs: %w", err)
	}
	if err := w.handle(); err != nil {
		return nil, fmt.Errorf("listen to informers: %w", err)
	}
	return w, nil
}

func (w *Watcher) factory(tweak func(*metav1.ListOptions), trim cache.TransformFunc) informers.SharedInformerFactory {
	f := informers.NewSharedInformerFactoryWithOptions(w.parts.Client, 0,
		informers.WithNamespace(w.cfg.Namespace), informers.WithTweakListOptions(tweak), informers.WithTransform(trim))
	w.factories = append(w.factories, f)
	return f
}

// handle makes the informers put keys into the queues. A deleted pod leaves the cache, so its last state is noted
// first.
func (w *Watcher) handle() error {
	see := func(object any) {
		if !w.concerns(object.(*corev1.Pod)) {
			return
		}
		w.seen.Add(keyOf(object.(*corev1.Pod)))
		w.tell(object)
	}
	_, err := w.podInformer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: see,
		UpdateFunc: func(before, object any) {
			w.noteOrphan(before.(*corev1.Pod), object.(*corev1.Pod))
			see(object)
		},
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if p, ok := object.(*corev1.Pod); ok {
				w.noteGone(p)
				w.past.forget(p.UID)
				w.seen.Add(keyOf(p))
				w.tell(p)
			}
		},
	})
	if err != nil {
		return err
	}
	_, err = w.jobInformer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    w.seeJob,
		UpdateFunc: func(_, object any) { w.seeJob(object) },
		DeleteFunc: w.jobLeft,
	})
	if err != nil {
		return err
	}
	_, err = w.eventInformer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    w.seeEvent,
		UpdateFunc: func(_, object any) { w.seeEvent(object) },
	})
	return err
}

// seeJob wakes the Job's pods, which may have come before it, and has its document written once it has finished.
func (w *Watcher) seeJob(object any) {
	job := object.(*batchv1.Job)
	for _, p := range w.PodsOf(job.UID) {
		w.seen.Add(keyOf(p))
	}
	if pods.Finished(job) {
		w.finishedJobs.Add(keyOfJob(job))
	}
	w.tell(job)
}

// Synced reports whether the caches are filled.
func (w *Watcher) Synced() bool { return w.podInformer.HasSynced() && w.jobInformer.HasSynced() }

// Acts reports whether this replica has begun to work: it is in line with the others and has taken over what is its
// own.
func (w *Watcher) Acts() bool { return w.acting.Load() }

// Run watches until the context ends and returns when everything that it started has ended. The followers put what they
// hold on disk before.
func (w *Watcher) Run(ctx context.Context) error {
	stopQueues := sync.OnceFunc(func() {
		for _, stop := range []func(){w.seen.ShutDown, w.ended.ShutDown, w.unchecked.ShutDown, w.finishedJobs.ShutDown} {
			stop()
		}
	})
	defer stopQueues() // also where the caches were never filled
	for _, f := range w.factories {
		f.Start(ctx.Done())
		defer f.Shutdown()
	}
	if !cache.WaitForCacheSync(ctx.Done(), w.podInformer.HasSynced, w.jobInformer.HasSynced) {
		return ctx.Err()
	}
	close(w.filled)
	w.log.Info("caches are filled", "pods", len(w.podInformer.GetStore().ListKeys()), "jobs", len(w.jobInformer.GetStore().ListKeys()))
	var workers sync.WaitGroup
	work.Start(ctx, &workers, 4, w.seen, w.see)
	work.Start(ctx, &workers, w.cfg.Sealers, w.ended, countRefused(w, w.seal))
	work.Start(ctx, &workers, 4, w.unchecked, w.check)
	work.Start(ctx, &workers, 4, w.finishedJobs, countRefused(w, w.finishJob))
	workers.Go(func() { (&ownership{w: w}).run(ctx) })
	workers.Go(func() { w.collect(ctx) })
	<-ctx.Done()
	stopQueues()
	workers.Wait()
	w.followers.Wait()
	return nil
}

// Look returns what is known of the instance. A pod that is gone is described by its last known state. The API server
// is asked where the caller wants it and the cache can be wrong: a container that has ended and cannot start again
// stays as it is.
func (w *Watcher) Look(ctx context.Context, i archive.Instance, live bool) (pods.Sight, error) {
	cached, err := w.pods.Pods(i.Namespace).Get(i.Pod)
	if err != nil || cached.UID != types.UID(i.PodUID) {
		return w.lastSight(i), nil
	}
	if s := pods.SightOf(cached, i); !live || s.Terminated != nil && s.Current && !pods.Restarts(cached, i.Container) {
		return s, nil
	}
	got, err := w.ask(ctx, podKey{types.NamespacedName{Namespace: i.Namespace, Name: i.Pod}, types.UID(i.PodUID)}, 10*time.Second)
	switch {
	case err != nil:
		return pods.Sight{}, fmt.Errorf("look at pod %s/%s: %w", i.Namespace, i.Pod, err)
	case got == nil:
		return w.lastSight(i), nil
	}
	return pods.SightOf(got, i), nil
}

// ask returns the pod as the API server has it now, nil where it is gone.
func (w *Watcher) ask(ctx context.Context, key podKey, limit time.Duration) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err := w.parts.Client.CoreV1().Pods(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && got.UID != key.uid {
		return nil, nil
	}
	return got, err
}
