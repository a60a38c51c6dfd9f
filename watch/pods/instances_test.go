package pods

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

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
		{"waiting to start", corev1.ContainerStatus{State: watchtest.Waits}, nil, nil, nil},
		{"running", corev1.ContainerStatus{ContainerID: "a", State: watchtest.Runs},
			map[string]seenAs{"a": {current: true, running: true}}, []string{"a"}, []int{0}},
		{"ended", corev1.ContainerStatus{ContainerID: "a", State: watchtest.Ended("a")},
			map[string]seenAs{"a": {current: true, terminated: true}}, []string{"a"}, []int{0}},
		{"started again", corev1.ContainerStatus{ContainerID: "b", RestartCount: 1, State: watchtest.Runs, LastTerminationState: watchtest.Ended("a")},
			map[string]seenAs{"a": {previous: true, terminated: true}, "b": {current: true, running: true}}, []string{"a", "b"}, []int{0, 1}},
		{"waiting to start again", corev1.ContainerStatus{ContainerID: "a", RestartCount: 0, State: watchtest.Waits, LastTerminationState: watchtest.Ended("a")},
			map[string]seenAs{"a": {previous: true, terminated: true}}, []string{"a"}, []int{0}},
		{"both ended", corev1.ContainerStatus{ContainerID: "c", RestartCount: 5, State: watchtest.Ended("c"), LastTerminationState: watchtest.Ended("b")},
			map[string]seenAs{"b": {previous: true, terminated: true}, "c": {current: true, terminated: true}, "a": {}}, []string{"b", "c"}, []int{4, 5}},
		{"the runtime lost it", corev1.ContainerStatus{ContainerID: "", RestartCount: 0, State: watchtest.Ended(""), LastTerminationState: watchtest.Ended("")}, nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := watchtest.PodOf(c.status)
			var order []string
			var counts []int
			for _, i := range Instances(pod) {
				order, counts = append(order, i.ContainerID), append(counts, i.Restart)
			}
			if !slices.Equal(order, c.order) || !slices.Equal(counts, c.counts) {
				t.Errorf("got instances %v with restarts %v, want %v, %v", order, counts, c.order, c.counts)
			}
			for id, want := range c.want {
				s := SightOf(pod, archive.Instance{PodRef: Ref(pod), Container: "main", ContainerID: id})
				if got := (seenAs{s.Current, s.Previous, s.Running, s.Terminated != nil}); got != want || s.Gone {
					t.Errorf("instance %s: got %+v, want %+v", id, got, want)
				}
			}
		})
	}
}

func TestSightOfAnother(t *testing.T) {
	pod := watchtest.PodOf(corev1.ContainerStatus{ContainerID: "a", State: watchtest.Runs})
	i := archive.Instance{PodRef: Ref(pod), Container: "main", ContainerID: "a"}
	i.PodUID = "another"
	if s := SightOf(pod, i); !s.Gone || s.Readable() {
		t.Errorf("got %+v for a pod that stands under the name of another, want one that is gone", s)
	}
}

func TestContainerKinds(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := watchtest.PodOf(corev1.ContainerStatus{ContainerID: "m", State: watchtest.Runs})
	pod.Spec.InitContainers = []corev1.Container{{Name: "init"}, {Name: "side", RestartPolicy: &always}}
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug"}}}
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{
		{Name: "side", ContainerID: "s", State: watchtest.Runs}, {Name: "init", ContainerID: "i", State: watchtest.Ended("i")},
	}
	pod.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{{Name: "debug", ContainerID: "e", State: watchtest.Runs}}
	var got []string
	for _, i := range Instances(pod) {
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
			pod := watchtest.PodOf(corev1.ContainerStatus{})
			c.edit(pod)
			if got := Restarts(pod, "main"); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
