package kubelet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Spec says what pod a script wants. The zero value is a pod of one container, "main", that is never restarted.
type Spec struct {
	Name        string       // "" makes one
	Job         *batchv1.Job // the controlling owner, nil: a bare pod
	Init        []string     // names of init containers
	Sidecars    []string     // names of init containers that restart
	Containers  []string     // default: main
	Restart     corev1.RestartPolicy
	Labels      map[string]string // those of the Job's controller are added for a Job's pod
	Finalizers  []string
	Unscheduled bool              // bound to no node: its log is 204
	Edit        func(*corev1.Pod) // last word on the object
}

// Pod is one pod on the node. Its methods change the kubelet's own view first, then the API's status, in that order,
// as the real one does.
type Pod struct {
	kubelet         *Kubelet
	namespace, name string
	uid             types.UID
	bound           bool

	api sync.Mutex // held over each write of a status, so that statuses arrive in order

	mu         sync.Mutex
	object     *corev1.Pod  // as created; guarded by mu
	containers []*container // guarded by mu
	phase      corev1.PodPhase
	reason     string                // of the phase; guarded by mu, as phase
	message    string                // guarded by mu
	conditions []corev1.PodCondition // guarded by mu
	expiry     *time.Timer           // of activeDeadlineSeconds; guarded by mu

	stopping chan struct{} // closed when the deletion was asked for
	stopOnce sync.Once
}

// Pod creates a pod bound to this node, through the API where there is one. Its containers are waiting.
func (k *Kubelet) Pod(namespace string, spec Spec) *Pod {
	k.t.Helper()
	object := k.object(namespace, spec)
	if k.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		defer cancel()
		made, err := k.client.CoreV1().Pods(namespace).Create(ctx, object, metav1.CreateOptions{})
		if err != nil {
			k.t.Errorf("create pod %s/%s: %v", namespace, object.Name, err)
		} else {
			object = made
		}
	}
	return k.Adopt(object)
}

// Adopt makes the kubelet run a pod that exists in the API already, as one that a Job's controller made.
func (k *Kubelet) Adopt(object *corev1.Pod) *Pod {
	p := &Pod{
		kubelet: k, namespace: object.Namespace, name: object.Name, uid: object.UID, object: object,
		phase: corev1.PodPending, bound: object.Spec.NodeName != "", stopping: make(chan struct{}),
	}
	for _, c := range object.Spec.InitContainers {
		kind := kindInit
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			kind = kindSidecar
		}
		p.containers = append(p.containers, newContainer(c.Name, c.Image, kind))
	}
	for _, c := range object.Spec.Containers {
		p.containers = append(p.containers, newContainer(c.Name, c.Image, kindMain))
	}
	k.mu.Lock()
	k.pods[podName{p.namespace, p.name}] = p
	k.mu.Unlock()
	return p
}

// object returns the pod object that the spec describes.
func (k *Kubelet) object(namespace string, spec Spec) *corev1.Pod {
	serial := k.nextSerial()
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: spec.Name, Labels: map[string]string{}, Finalizers: spec.Finalizers,
			CreationTimestamp: metav1.NewTime(k.now()), UID: types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", serial)),
		},
		Spec: corev1.PodSpec{RestartPolicy: spec.Restart, NodeName: k.node},
	}
	if spec.Restart == "" {
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if spec.Unscheduled {
		pod.Spec.NodeName = ""
	}
	own(pod, spec.Job, serial)
	maps.Copy(pod.Labels, spec.Labels)
	fill(pod, spec)
	if spec.Edit != nil {
		spec.Edit(pod)
	}
	return pod
}

// own sets the pod's name, and the owner and labels that the Job controller would.
func own(pod *corev1.Pod, job *batchv1.Job, serial int) {
	prefix := "pod"
	if job != nil {
		prefix = job.Name
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
		for _, name := range []string{"job-name", "batch.kubernetes.io/job-name"} {
			pod.Labels[name] = job.Name
		}
		for _, name := range []string{"controller-uid", "batch.kubernetes.io/controller-uid"} {
			pod.Labels[name] = string(job.UID)
		}
	}
	if pod.Name == "" {
		pod.Name = fmt.Sprintf("%s-%05d", prefix, serial)
	}
}

func fill(pod *corev1.Pod, spec Spec) {
	always := corev1.ContainerRestartPolicyAlways
	for _, name := range spec.Init {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, image(name, nil))
	}
	for _, name := range spec.Sidecars {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, image(name, &always))
	}
	names := spec.Containers
	if names == nil {
		names = []string{"main"}
	}
	for _, name := range names {
		pod.Spec.Containers = append(pod.Spec.Containers, image(name, nil))
	}
}

func image(name string, restart *corev1.ContainerRestartPolicy) corev1.Container {
	return corev1.Container{Name: name, Image: "registry.example/" + name + ":1", RestartPolicy: restart}
}

// Name returns the pod's name.
func (p *Pod) Name() string { return p.name }

// Namespace returns the pod's namespace.
func (p *Pod) Namespace() string { return p.namespace }

// UID returns the pod's UID.
func (p *Pod) UID() types.UID { return p.uid }

// Start starts a container, or starts it again: a new instance with a new container ID and an empty log.
func (p *Pod) Start(container string) *Instance {
	k := p.kubelet
	p.mu.Lock()
	c := p.mustContainer(container)
	if inst := c.current(); inst != nil && !inst.Ended() {
		panic(fmt.Sprintf("kubelet: container %q of pod %s/%s runs: end it before it starts again", container, p.namespace, p.name))
	}
	inst := &Instance{
		pod: p, container: container, restart: len(c.instances), id: containerID(p.uid, container, len(c.instances)),
		files: []*file{{}}, watches: map[*watch]struct{}{}, maxFile: k.opts.rotateAt, end: termination{started: k.now()}, done: make(chan struct{}),
	}
	c.instances = append(c.instances, inst)
	c.waiting = nil
	if p.phase == corev1.PodPending && c.kind == kindMain {
		p.phase = corev1.PodRunning
	}
	p.mu.Unlock()
	p.Report()
	return inst
}

// containerID returns an ID that looks like containerd's: 64 hexadecimal digits, of its own for each instance.
func containerID(uid types.UID, name string, restart int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", uid, name, restart))
	return scheme + hex.EncodeToString(sum[:])
}

// Wait puts a container into the waiting state: ImagePullBackOff before its first start, CrashLoopBackOff after an end.
func (p *Pod) Wait(container, reason, message string) {
	p.mu.Lock()
	p.mustContainer(container).waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	p.mu.Unlock()
	p.Report()
}

// Finish sets the pod's phase where it does not follow from its containers, with a reason such as Evicted.
func (p *Pod) Finish(phase corev1.PodPhase, reason, message string) {
	p.mu.Lock()
	p.phase, p.reason, p.message = phase, reason, message
	p.mu.Unlock()
	p.Report()
}

// SetCondition sets a condition of the pod, as Unschedulable or DisruptionTarget.
func (p *Pod) SetCondition(c corev1.PodCondition) {
	p.mu.Lock()
	p.conditions = slices.DeleteFunc(slices.Clone(p.conditions), func(old corev1.PodCondition) bool { return old.Type == c.Type })
	p.conditions = append(p.conditions, c)
	p.mu.Unlock()
	p.Report()
}

// AddEphemeral adds an ephemeral container to the running pod, as `kubectl debug` does. It waits for its Start.
func (p *Pod) AddEphemeral(name string) {
	p.mu.Lock()
	added := corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		Name: name, Image: "registry.example/" + name + ":1", ImagePullPolicy: corev1.PullIfNotPresent,
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
	}}
	p.object.Spec.EphemeralContainers = append(p.object.Spec.EphemeralContainers, added)
	p.containers = append(p.containers, newContainer(name, added.Image, kindEphemeral))
	p.mu.Unlock()
	if p.kubelet.client == nil {
		return
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []any{added}}})
	if err != nil {
		panic("kubelet: a container always marshals: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	pods := p.kubelet.client.CoreV1().Pods(p.namespace)
	_, err = pods.Patch(ctx, p.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "ephemeralcontainers")
	if err != nil {
		p.kubelet.t.Errorf("add ephemeral container to pod %s/%s: %v", p.namespace, p.name, err)
	}
	p.Report()
}
