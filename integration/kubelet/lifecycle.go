package kubelet

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// Run plays the scheduler and the kubelet's loop for the pods of one namespace that others make, a Job's controller
// for one, until the context ends. Every pod is bound to this node and handed to script, in a goroutine of its own.
//
// A pod that is to be deleted while it runs has its Stopping channel closed; when its containers have ended, or after
// StopAfter at most, they are killed, the logs removed and the object deleted, finalizers aside. A pod that had ended
// before keeps its logs as long as a finalizer keeps the object. A pod's activeDeadlineSeconds fails it and keeps its
// logs. Run returns when all scripts have.
func (k *Kubelet) Run(ctx context.Context, namespace string, script func(context.Context, *Pod)) error {
	if k.client == nil {
		return fmt.Errorf("run pods of namespace %s: the node was made without a client", namespace)
	}
	l := &loop{ctx: ctx, kubelet: k, script: script, known: map[types.UID]*Pod{}}
	factory := informers.NewSharedInformerFactoryWithOptions(k.client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { l.see(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { l.see(o.(*corev1.Pod)) },
		DeleteFunc: l.gone,
	})
	if err != nil {
		return fmt.Errorf("watch pods of namespace %s: %w", namespace, err)
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	factory.Shutdown()
	l.work.Wait()
	return nil
}

// loop is the state of one Run. Its event methods are called one at a time.
type loop struct {
	ctx     context.Context // of Run: a handler of the informer gets none
	kubelet *Kubelet
	script  func(context.Context, *Pod)
	known   map[types.UID]*Pod
	work    sync.WaitGroup
}

// see takes one state of a pod.
func (l *loop) see(object *corev1.Pod) {
	pod := l.known[object.UID]
	switch {
	case pod == nil && object.Spec.NodeName == "" && object.DeletionTimestamp == nil:
		l.bind(object)
		return
	case pod == nil && object.Spec.NodeName == l.kubelet.node:
		pod = l.kubelet.Adopt(object.DeepCopy())
		l.known[object.UID] = pod
		l.work.Go(func() { l.script(l.ctx, pod) })
	case pod == nil:
		return
	}
	if object.Spec.ActiveDeadlineSeconds != nil {
		pod.deadline(time.Duration(*object.Spec.ActiveDeadlineSeconds) * time.Second)
	}
	if object.DeletionTimestamp != nil {
		pod.stopOnce.Do(func() { l.work.Go(func() { pod.stop(l.ctx) }) })
	}
}

// bind does the scheduler's part. A pod that is gone or bound meanwhile needs none.
func (l *loop) bind(object *corev1.Pod) {
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name, UID: object.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: l.kubelet.node},
	}
	ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
	defer cancel()
	err := l.kubelet.client.CoreV1().Pods(object.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
	if err != nil && l.ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		l.kubelet.t.Errorf("bind pod %s/%s: %v", object.Namespace, object.Name, err)
	}
}

// gone is the end of the object: what the kubelet still has of it goes too.
func (l *loop) gone(o any) {
	if stale, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = stale.Obj
	}
	object := o.(*corev1.Pod)
	pod := l.known[object.UID]
	if pod == nil {
		return
	}
	delete(l.known, object.UID)
	pod.stopOnce.Do(func() { close(pod.stopping) })
	pod.kill(137, "Error")
	pod.RemoveLogs()
	pod.forget()
}

// stop ends a pod whose deletion was asked for.
func (p *Pod) stop(ctx context.Context) {
	ended := p.over()
	close(p.stopping)
	if !ended {
		p.awaitEnd(ctx, p.kubelet.opts.stopAfter)
		p.kill(137, "Error")
		_ = sleep(ctx, p.kubelet.opts.linger) // at the end of the test the rest is done at once
		p.RemoveLogs()
	}
	grace := int64(0)
	opts := metav1.DeleteOptions{GracePeriodSeconds: &grace, Preconditions: &metav1.Preconditions{UID: &p.uid}}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := p.kubelet.client.CoreV1().Pods(p.namespace).Delete(ctx, p.name, opts)
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		p.kubelet.t.Errorf("delete pod %s/%s: %v", p.namespace, p.name, err)
	}
}

// Stopping is closed when the pod's deletion was asked for while Run looks after it: the moment of SIGTERM.
func (p *Pod) Stopping() <-chan struct{} { return p.stopping }

// over reports whether the pod has reached its last phase.
func (p *Pod) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase == corev1.PodSucceeded || p.phase == corev1.PodFailed
}

// awaitEnd waits until every instance has ended, for limit at most.
func (p *Pod) awaitEnd(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, inst := range p.Instances() {
		select {
		case <-inst.done:
		case <-ctx.Done():
			return
		}
	}
}

// deadline fails the pod once it is older than d, as its activeDeadlineSeconds asks. The newest deadline counts.
func (p *Pod) deadline(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.expiry != nil {
		p.expiry.Stop()
	}
	left := p.object.CreationTimestamp.Add(d).Sub(p.kubelet.now())
	p.expiry = time.AfterFunc(max(left, 0), p.Expire)
}

// Expire plays the end of the pod's activeDeadlineSeconds: the processes are killed, the pod fails, the logs stay.
func (p *Pod) Expire() {
	if p.over() {
		return
	}
	p.Finish(corev1.PodFailed, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
	p.kill(137, "Error")
}

func (p *Pod) stopTimer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.expiry != nil {
		p.expiry.Stop()
	}
}
