package kubelet

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// container is one entry of a pod's container lists. Guarded by the pod's mu.
type container struct {
	name, image string
	kind        kind
	waiting     *corev1.ContainerStateWaiting // nil: the newest instance is the state
	instances   []*Instance                   // oldest first
}

// kind says which of the pod's lists a container stands in, and whether the pod waits for its end.
type kind int

const (
	kindMain kind = iota
	kindInit
	kindSidecar
	kindEphemeral
)

func newContainer(name, image string, k kind) *container {
	return &container{name: name, image: image, kind: k, waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
}

// termination is how an instance ended.
type termination struct {
	code              int
	reason            string
	started, finished time.Time
}

// current returns the instance that is the container's state, nil while it waits.
func (c *container) current() *Instance {
	if c.waiting != nil || len(c.instances) == 0 {
		return nil
	}
	return c.instances[len(c.instances)-1]
}

// last returns the instance of lastState: the newest dead one that is not the state.
func (c *container) last() *Instance {
	n := len(c.instances)
	if c.waiting == nil {
		n--
	}
	if n < 1 {
		return nil
	}
	return c.instances[n-1]
}

func (p *Pod) container(name string) *container {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.locate(name)
}

func (p *Pod) locate(name string) *container {
	for _, c := range p.containers {
		if c.name == name {
			return c
		}
	}
	return nil
}

// mustContainer panics where a script names a container that its pod does not have.
func (p *Pod) mustContainer(name string) *container {
	if c := p.locate(name); c != nil {
		return c
	}
	panic(fmt.Sprintf("kubelet: pod %s/%s has no container %q", p.namespace, p.name, name))
}

// resolve picks the instance whose log a request gets: previous is lastState, otherwise the state, and where that is
// waiting, lastState again. The errors are the kubelet's.
func (p *Pod) resolve(name string, previous bool) (*Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.locate(name)
	if previous {
		if last := c.last(); last != nil {
			return last, nil
		}
		return nil, fmt.Errorf("previous terminated container %q in pod %q not found", name, p.name)
	}
	if inst := c.current(); inst != nil {
		return inst, nil
	}
	if last := c.last(); last != nil {
		return last, nil
	}
	return nil, fmt.Errorf("container %q in pod %q is waiting to start: %s", name, p.name, waitingText(c.waiting.Reason))
}

func waitingText(reason string) string {
	switch reason {
	case "ErrImagePull":
		return "image can't be pulled"
	case "ImagePullBackOff":
		return "trying and failing to pull image"
	}
	return reason
}

// ended is called when an instance's process is gone: the dead instance before it is removed, as only the newest is
// kept, and the pod's phase follows.
func (p *Pod) ended(inst *Instance) {
	p.mu.Lock()
	c := p.mustContainer(inst.container)
	if inst.restart > 0 {
		defer c.instances[inst.restart-1].Remove()
	}
	p.settle()
	p.mu.Unlock()
	p.Report()
}

// settle computes the phase of a pod that is never restarted, once all its containers have ended. The caller holds mu.
func (p *Pod) settle() {
	if p.object.Spec.RestartPolicy != corev1.RestartPolicyNever || p.phase == corev1.PodFailed {
		return
	}
	phase := corev1.PodSucceeded
	for _, c := range p.containers {
		if c.kind == kindEphemeral {
			continue
		}
		switch code, ended := c.exit(); {
		case ended && code != 0 && c.kind == kindInit:
			p.phase = corev1.PodFailed
			return
		case !ended:
			return
		case code != 0 && c.kind == kindMain:
			phase = corev1.PodFailed
		}
	}
	p.phase = phase
}

// exit returns the exit code of the container's state and whether it has ended at all.
func (c *container) exit() (int, bool) {
	inst := c.current()
	if inst == nil {
		return 0, false
	}
	inst.mu.Lock()
	defer inst.mu.Unlock()
	return inst.end.code, inst.ended
}
