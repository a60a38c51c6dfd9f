package kubelet

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Evict plays the kubelet's eviction: every process is killed, the logs are gone by the time that anybody hears of it,
// the pod stays as Failed.
func (p *Pod) Evict(message string) {
	p.RemoveLogs()
	p.kill(137, "Error")
	p.Finish(corev1.PodFailed, "Evicted", message)
}

// RemoveLogs removes the containers and their files; the pod stays. Requests get the runtime's error as text.
func (p *Pod) RemoveLogs() {
	for _, inst := range p.Instances() {
		inst.Remove()
	}
}

// Delete plays the deletion of the pod as the kubelet sees it: processes end, logs and the kubelet's memory of the pod
// go. With a client the object is deleted with no grace; finalizers may hold it.
func (p *Pod) Delete() {
	p.kill(137, "Error")
	p.RemoveLogs()
	p.forget()
	if p.kubelet.client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	grace := int64(0)
	opts := metav1.DeleteOptions{GracePeriodSeconds: &grace, Preconditions: &metav1.Preconditions{UID: &p.uid}}
	if err := p.kubelet.client.CoreV1().Pods(p.namespace).Delete(ctx, p.name, opts); err != nil {
		p.kubelet.t.Errorf("delete pod %s/%s: %v", p.namespace, p.name, err)
	}
}

// forget takes the pod out of the kubelet's view, unless another one has its name by now.
func (p *Pod) forget() {
	k := p.kubelet
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := (podName{p.namespace, p.name}); k.pods[key] == p {
		delete(k.pods, key)
	}
}

// kill ends every process that runs.
func (p *Pod) kill(code int, reason string) {
	for _, inst := range p.Instances() {
		if !inst.Ended() {
			inst.Terminate(code, reason)
		}
	}
}

// Instances returns every instance of the pod that was started so far, by container.
func (p *Pod) Instances() []*Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*Instance
	for _, c := range p.containers {
		all = append(all, c.instances...)
	}
	return all
}
