package watch

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// podOf gives a pod of one container, "main", with a status.
func podOf(status corev1.ContainerStatus) *corev1.Pod {
	status.Name = "main"
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u"},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyOnFailure, Containers: []corev1.Container{{Name: "main"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{status}},
	}
}

var (
	runs  = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waits = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
)

func ended(id string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: id, ExitCode: 1}}
}

// seenAs is what of a Sight tells how an instance can be read.
type seenAs struct{ current, previous, running, terminated bool }

func TestInstancesAndSight(t *testing.T) {
	for _, c := range []struct {
		name   string
		status corev1.ContainerStatus
		want   map[string]seenAs // by container ID
		order  []string          // IDs, with the restarts that follow
		counts []int
	}{
		{"waiting to start", corev1.ContainerStatus{State: waits}, nil, nil, nil},
		{"running", corev1.ContainerStatus{ContainerID: "a", State: runs},
			map[string]seenAs{"a": {current: true, running: true}}, []string{"a"}, []int{0}},
		{"ended", corev1.ContainerStatus{ContainerID: "a", State: ended("a")},
			map[string]seenAs{"a": {current: true, terminated: true}}, []string{"a"}, []int{0}},
		{"started again", corev1.ContainerStatus{ContainerID: "b", RestartCount: 1, State: runs, LastTerminationState: ended("a")},
			map[string]seenAs{"a": {previous: true, terminated: true}, "b": {current: true, running: true}}, []string{"a", "b"}, []int{0, 1}},
		{"waiting to start again", corev1.ContainerStatus{ContainerID: "a", RestartCount: 0, State: waits, LastTerminationState: ended("a")},
			map[string]seenAs{"a": {previous: true, terminated: true}}, []string{"a"}, []int{0}},
		{"both ended", corev1.ContainerStatus{ContainerID: "c", RestartCount: 5, State: ended("c"), LastTerminationState: ended("b")},
			map[string]seenAs{"b": {previous: true, terminated: true}, "c": {current: true, terminated: true}, "a": {}}, []string{"b", "c"}, []int{4, 5}},
		{"the runtime lost it", corev1.ContainerStatus{ContainerID: "", RestartCount: 0, State: ended(""), LastTerminationState: ended("")}, nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := podOf(c.status)
			var order []string
			var counts []int
			for _, i := range instances(pod) {
				order, counts = append(order, i.ContainerID), append(counts, i.Restart)
			}
			if !slices.Equal(order, c.order) || !slices.Equal(counts, c.counts) {
				t.Errorf("got instances %v with restarts %v, want %v, %v", order, counts, c.order, c.counts)
			}
			for id, want := range c.want {
				s := sight(pod, archive.Instance{PodRef: RefOf(pod), Container: "main", ContainerID: id})
				if got := (seenAs{s.Current, s.Previous, s.Running, s.Terminated != nil}); got != want || s.Gone {
					t.Errorf("instance %s: got %+v, want %+v", id, got, want)
				}
			}
		})
	}
}

func TestSightOfAnother(t *testing.T) {
	pod := podOf(corev1.ContainerStatus{ContainerID: "a", State: runs})
	i := archive.Instance{PodRef: RefOf(pod), Container: "main", ContainerID: "a"}
	i.PodUID = "another"
	if s := sight(pod, i); !s.Gone || s.Readable() {
		t.Errorf("got %+v for a pod that stands under the name of another, want one that is gone", s)
	}
}

func TestContainerKinds(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := podOf(corev1.ContainerStatus{ContainerID: "m", State: runs})
	pod.Spec.InitContainers = []corev1.Container{{Name: "init"}, {Name: "side", RestartPolicy: &always}}
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug"}}}
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{
		{Name: "side", ContainerID: "s", State: runs}, {Name: "init", ContainerID: "i", State: ended("i")},
	}
	pod.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{{Name: "debug", ContainerID: "e", State: runs}}
	var got []string
	for _, i := range instances(pod) {
		got = append(got, string(i.Kind)+" "+i.ContainerID)
	}
	if want := []string{"init i", "sidecar s", "main m", "ephemeral e"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRestarts(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	for _, c := range []struct {
		name string
		edit func(*corev1.Pod)
		want bool
	}{
		{"never", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }, false},
		{"on failure", func(*corev1.Pod) {}, true},
		{"on failure, but over", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false},
		{"never, with a rule of its own", func(p *corev1.Pod) {
			p.Spec.RestartPolicy = corev1.RestartPolicyNever
			p.Spec.Containers[0].RestartPolicyRules = []corev1.ContainerRestartRule{{}}
		}, true},
		{"never, with a rule of another one", func(p *corev1.Pod) {
			p.Spec.RestartPolicy = corev1.RestartPolicyNever
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "other", RestartPolicyRules: []corev1.ContainerRestartRule{
				{Action: corev1.ContainerRestartRuleActionRestart},
			}})
		}, false},
		{"never, with a rule of another one for all", func(p *corev1.Pod) {
			p.Spec.RestartPolicy = corev1.RestartPolicyNever
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: "other", RestartPolicyRules: []corev1.ContainerRestartRule{
				{Action: corev1.ContainerRestartRuleActionRestart}, {Action: corev1.ContainerRestartRuleActionRestartAllContainers},
			}})
		}, true},
		{"a sidecar", func(p *corev1.Pod) {
			p.Spec.RestartPolicy = corev1.RestartPolicyNever
			p.Spec.Containers[0].RestartPolicy = &always
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := podOf(corev1.ContainerStatus{})
			c.edit(pod)
			if got := restarts(pod, "main"); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
