package watch

import (
	"context"
	"errors"
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
	// The fake clientset holds a lock over each request: those of a process that is stopped hang before they come to it.
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
			if done, o, err := c.server.react(a); done {
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
		// What happens meanwhile comes late to one that is cut off.
		return true, apiwatch.Filter(events, func(e apiwatch.Event) (apiwatch.Event, bool) {
			err := h.process.Pass()
			for err == nil {
				if err = h.api.Try(); !errors.Is(err, storetest.ErrCut) {
					break
				}
				time.Sleep(time.Second)
				err = h.process.Pass()
			}
			return e, err == nil
		}), nil
	})
	return &stoppable{client, h.process}
}

// stoppable is a client in a process that may be stopped: what it asks for hangs then, whatever its patience, and comes to the API
// server when the process goes on, late.
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
