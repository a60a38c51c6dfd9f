package kubelet

import (
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func caseUnscheduled(b *bed) {
	b.k.Pod(b.ns, Spec{Name: "p", Unscheduled: true})
	code, err := b.status(corev1.PodLogOptions{})
	if code != http.StatusNoContent || err != nil {
		b.t.Errorf("got status %d, %v, want 204", code, err)
	}
	b.want("log", b.read(corev1.PodLogOptions{}), "")
}

func caseWaiting(b *bed) {
	pod := b.k.Pod(b.ns, Spec{Name: "p"})
	tests := []struct{ reason, want string }{
		{"ContainerCreating", `container "main" in pod "p" is waiting to start: ContainerCreating`},
		{"ErrImagePull", `container "main" in pod "p" is waiting to start: image can't be pulled`},
		{"ImagePullBackOff", `container "main" in pod "p" is waiting to start: trying and failing to pull image`},
	}
	for _, test := range tests {
		pod.Wait("main", test.reason, "")
		code, err := b.status(following)
		if code != http.StatusBadRequest || err == nil || !strings.Contains(err.Error(), test.want) {
			b.t.Errorf("got status %d, %v, want 400, %s", code, err, test.want)
		}
	}
}

func (b *bed) get(name string) *corev1.Pod {
	b.t.Helper()
	pod, err := b.client.CoreV1().Pods(b.ns).Get(b.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		b.t.Fatalf("get pod: %v", err)
	}
	return pod
}

func caseStatuses(b *bed) {
	pod := b.k.Pod(b.ns, Spec{Name: "p", Init: []string{"prepare"}, Sidecars: []string{"proxy"}})
	if got, want := b.get("p").UID, pod.UID(); got != want {
		b.t.Errorf("got UID %s, want %s", got, want)
	}
	pod.Start("prepare").Exit(0)
	proxy := pod.Start("proxy")
	c := pod.Start("main")
	got := b.get("p")
	if got.Status.Phase != corev1.PodRunning || got.Status.ContainerStatuses[0].ContainerID != c.ID() {
		b.t.Errorf("got status %+v, want it running as %s", got.Status, c.ID())
	}
	if len(got.Status.InitContainerStatuses) != 2 || got.Status.InitContainerStatuses[0].State.Terminated == nil {
		b.t.Errorf("got init containers %+v, want two, the first one ended", got.Status.InitContainerStatuses)
	}
	c.Terminate(137, "OOMKilled")
	got = b.get("p")
	if end := got.Status.ContainerStatuses[0].State.Terminated; end == nil || end.Reason != "OOMKilled" || end.ExitCode != 137 {
		b.t.Errorf("got end %+v, want OOMKilled, 137", end)
	}
	if got.Status.Phase != corev1.PodRunning {
		b.t.Errorf("got phase %s while the sidecar runs, want Running", got.Status.Phase)
	}
	pod.AddEphemeral("debug")
	pod.Start("debug").Write(at(0), "look")
	b.want("ephemeral log", b.read(corev1.PodLogOptions{Container: "debug"}), "look\n")
	pod.SetCondition(corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "PreemptionByScheduler"})
	got = b.get("p")
	if len(got.Status.EphemeralContainerStatuses) != 1 || len(got.Status.Conditions) != 1 {
		b.t.Errorf("got status %+v, want one ephemeral container and one condition", got.Status)
	}
	proxy.Exit(0)
	if got := b.get("p").Status.Phase; got != corev1.PodFailed {
		b.t.Errorf("got phase %s, want Failed", got)
	}
}
