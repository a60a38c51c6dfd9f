package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	batchv1client "k8s.io/client-go/kubernetes/typed/batch/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// client is the API server as one replica reaches it.
func (c *crew) client(h *hand) kubernetes.Interface {
	client := &fake.Clientset{}
	// The fake clientset holds a lock over each request: those of a process that is stopped hang before they come to
	// it.
	try := func() error {
		if err := h.process.Try(); err != nil {
			return err
		}
		return h.api.Try()
	}
	objects := clienttesting.ObjectReaction(c.server.Tracker())
	client.AddReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if err := try(); err != nil {
			return true, nil, err
		}
		if a.GetResource().Resource == "leases" {
			if done, o, err := c.server.React(a); done {
				return done, o, err
			}
		}
		return objects(a)
	})
	client.AddWatchReactor("*", func(a clienttesting.Action) (bool, apiwatch.Interface, error) {
		if err := try(); err != nil {
			return true, nil, err
		}
		events, err := c.server.Tracker().Watch(a.GetResource(), a.GetNamespace())
		if err != nil {
			return true, nil, err
		}
		return true, newLateWatch(events, h.process, h.api), nil
	})
	return &stoppable{client, h.process}
}

// lateWatch is a watch whose events come late to one that is stopped or cut off. Other than watch.Filter it does not
// wait for a reader that has gone.
type lateWatch struct {
	apiwatch.Interface
	events  chan apiwatch.Event
	stopped chan struct{}
	once    sync.Once
}

func newLateWatch(from apiwatch.Interface, process, api *storetest.Gate) *lateWatch {
	w := &lateWatch{Interface: from, events: make(chan apiwatch.Event), stopped: make(chan struct{})}
	go func() { // Stop ends it, or the end of from
		defer close(w.events)
		for e := range from.ResultChan() {
			if !w.passes(process, api) {
				continue
			}
			select {
			case w.events <- e:
			case <-w.stopped:
			}
		}
	}()
	return w
}

// passes waits until an event comes through; false: it never does.
func (w *lateWatch) passes(process, api *storetest.Gate) bool {
	for {
		err := process.Pass()
		if err == nil {
			err = api.Try()
		}
		if !errors.Is(err, storetest.ErrCut) {
			return err == nil
		}
		select {
		case <-time.After(time.Second):
		case <-w.stopped:
			return false
		}
	}
}

// ResultChan implements watch.Interface.
func (w *lateWatch) ResultChan() <-chan apiwatch.Event { return w.events }

// Stop implements watch.Interface.
func (w *lateWatch) Stop() {
	w.once.Do(func() { close(w.stopped) })
	w.Interface.Stop()
}

// stoppable is a client in a process that may be stopped: what it asks for hangs then, whatever its patience, and comes
// to the API server when the process goes on, late.
type stoppable struct {
	kubernetes.Interface
	process *storetest.Gate
}

// IsWatchListSemanticsUnSupported has informers list and then watch, as the fake clientset does that is inside.
func (s *stoppable) IsWatchListSemanticsUnSupported() bool { return true }

// CoreV1 implements kubernetes.Interface.
func (s *stoppable) CoreV1() corev1client.CoreV1Interface {
	return stoppableCore{s.Interface.CoreV1(), s.process}
}

// BatchV1 implements kubernetes.Interface.
func (s *stoppable) BatchV1() batchv1client.BatchV1Interface {
	return stoppableBatch{s.Interface.BatchV1(), s.process}
}

// CoordinationV1 implements kubernetes.Interface.
func (s *stoppable) CoordinationV1() coordinationv1client.CoordinationV1Interface {
	return stoppableCoordination{s.Interface.CoordinationV1(), s.process}
}

type stoppableCore struct {
	corev1client.CoreV1Interface
	process *storetest.Gate
}

func (s stoppableCore) Pods(namespace string) corev1client.PodInterface {
	return stoppablePods{s.CoreV1Interface.Pods(namespace), s.process}
}

func (s stoppableCore) Events(namespace string) corev1client.EventInterface {
	return stoppableEvents{s.CoreV1Interface.Events(namespace), s.process}
}

type stoppableBatch struct {
	batchv1client.BatchV1Interface
	process *storetest.Gate
}

func (s stoppableBatch) Jobs(namespace string) batchv1client.JobInterface {
	return stoppableJobs{s.BatchV1Interface.Jobs(namespace), s.process}
}

type stoppableCoordination struct {
	coordinationv1client.CoordinationV1Interface
	process *storetest.Gate
}

func (s stoppableCoordination) Leases(namespace string) coordinationv1client.LeaseInterface {
	return stoppableLeases{s.CoordinationV1Interface.Leases(namespace), s.process}
}

type stoppablePods struct {
	corev1client.PodInterface
	process *storetest.Gate
}

func (s stoppablePods) Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Pod, error) {
	return late(s.process, func() (*corev1.Pod, error) { return s.PodInterface.Get(ctx, name, opts) })
}

func (s stoppablePods) List(ctx context.Context, opts metav1.ListOptions) (*corev1.PodList, error) {
	return late(s.process, func() (*corev1.PodList, error) { return s.PodInterface.List(ctx, opts) })
}

func (s stoppablePods) Watch(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
	return late(s.process, func() (apiwatch.Interface, error) { return s.PodInterface.Watch(ctx, opts) })
}

type stoppableEvents struct {
	corev1client.EventInterface
	process *storetest.Gate
}

func (s stoppableEvents) List(ctx context.Context, opts metav1.ListOptions) (*corev1.EventList, error) {
	return late(s.process, func() (*corev1.EventList, error) { return s.EventInterface.List(ctx, opts) })
}

func (s stoppableEvents) Watch(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
	return late(s.process, func() (apiwatch.Interface, error) { return s.EventInterface.Watch(ctx, opts) })
}

type stoppableJobs struct {
	batchv1client.JobInterface
	process *storetest.Gate
}

func (s stoppableJobs) List(ctx context.Context, opts metav1.ListOptions) (*batchv1.JobList, error) {
	return late(s.process, func() (*batchv1.JobList, error) { return s.JobInterface.List(ctx, opts) })
}

func (s stoppableJobs) Watch(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
	return late(s.process, func() (apiwatch.Interface, error) { return s.JobInterface.Watch(ctx, opts) })
}

type stoppableLeases struct {
	coordinationv1client.LeaseInterface
	process *storetest.Gate
}

func (s stoppableLeases) Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordinationv1.Lease, error) {
	return late(s.process, func() (*coordinationv1.Lease, error) { return s.LeaseInterface.Get(ctx, name, opts) })
}

func (s stoppableLeases) List(ctx context.Context, opts metav1.ListOptions) (*coordinationv1.LeaseList, error) {
	return late(s.process, func() (*coordinationv1.LeaseList, error) { return s.LeaseInterface.List(ctx, opts) })
}

func (s stoppableLeases) Watch(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
	return late(s.process, func() (apiwatch.Interface, error) { return s.LeaseInterface.Watch(ctx, opts) })
}

func (s stoppableLeases) Create(ctx context.Context, lease *coordinationv1.Lease, opts metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return late(s.process, func() (*coordinationv1.Lease, error) { return s.LeaseInterface.Create(ctx, lease, opts) })
}

func (s stoppableLeases) Update(ctx context.Context, lease *coordinationv1.Lease, opts metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return late(s.process, func() (*coordinationv1.Lease, error) { return s.LeaseInterface.Update(ctx, lease, opts) })
}

func (s stoppableLeases) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	_, err := late(s.process, func() (struct{}, error) { return struct{}{}, s.LeaseInterface.Delete(ctx, name, opts) })
	return err
}

func late[T any](process *storetest.Gate, ask func() (T, error)) (answer T, err error) {
	if err := process.Pass(); err != nil {
		return answer, err
	}
	return ask()
}
