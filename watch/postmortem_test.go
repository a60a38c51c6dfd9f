package watch

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// endedAs returns a pod whose container "main" ran for 3 m 12 s and ended so.
func endedAs(code int32, reason string) *corev1.Pod {
	begin := metav1.NewTime(time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC))
	state := watchtest.Ended("a")
	state.Terminated.ExitCode, state.Terminated.Reason = code, reason
	state.Terminated.StartedAt, state.Terminated.FinishedAt = begin, metav1.NewTime(begin.Add(192*time.Second))
	pod := watchtest.PodOf(corev1.ContainerStatus{ContainerID: "a", State: state})
	pod.Status.Phase, pod.Status.StartTime = corev1.PodFailed, &begin
	if code == 0 {
		pod.Status.Phase = corev1.PodSucceeded
	}
	pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("700Mi")}
	return pod
}

// manifestOf returns the manifest of a pod whose logs, if any, are complete.
func manifestOf(t *testing.T, last *corev1.Pod) *archive.Manifest {
	t.Helper()
	p := newPod(last)
	p.settled, p.gone = true, true
	p.note(nil)
	for _, i := range pods.Instances(last) {
		p.logs[i.ContainerID] = watchtest.HeldLogOf(t, i)
		p.records[i.ContainerID] = archive.InstanceRecord{Instance: i, Verdict: archive.Complete}
	}
	m := p.manifest(nil)
	if m == nil {
		t.Fatal("got no manifest of a pod that is ready")
	}
	return m
}

func TestDiagnosis(t *testing.T) {
	waiting := func(reason, message string) *corev1.Pod {
		pod := watchtest.PodOf(corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}})
		pod.Status.Phase = corev1.PodPending
		return pod
	}
	evicted := endedAs(137, "Error")
	evicted.Status.Reason, evicted.Status.Message = "Evicted", "The node was low on resource: ephemeral-storage."
	deadline := endedAs(137, "Error")
	deadline.Status.Reason, deadline.Status.Message = "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
	unscheduled := &corev1.Pod{
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available\nmore"},
		}},
	}
	initFailed := watchtest.PodOf(corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}})
	initFailed.Spec.InitContainers = []corev1.Container{{Name: "setup"}}
	failed := endedAs(3, "Error").Status.ContainerStatuses[0]
	failed.Name, failed.ContainerID = "setup", "i"
	failed.State.Terminated.ContainerID = "i"
	initFailed.Status.InitContainerStatuses, initFailed.Status.Phase = []corev1.ContainerStatus{failed}, corev1.PodFailed
	running := watchtest.PodOf(corev1.ContainerStatus{ContainerID: "a", State: watchtest.Runs})
	now := metav1.Now()
	running.DeletionTimestamp = &now
	for _, c := range []struct {
		name, want string
		pod        *corev1.Pod
	}{
		{"succeeded", "succeeded after 3m12s", endedAs(0, "Completed")},
		{"failed", "container main failed with exit code 2 after 3m12s", endedAs(2, "Error")},
		{"signal", "container main was ended by signal 15 after 3m12s", endedAs(143, "Error")},
		{"OOM", "container main was OOMKilled after 3m12s at a limit of 700Mi", endedAs(137, "OOMKilled")},
		{"evicted", "Evicted: The node was low on resource: ephemeral-storage.", evicted},
		{"deadline", "DeadlineExceeded: Pod was active on the node longer than the specified deadline", deadline},
		{"image", "container main never started: ImagePullBackOff: Back-off pulling image", waiting("ImagePullBackOff", "Back-off pulling image")},
		{"config", "container main never started: CreateContainerConfigError: secret not found", waiting("CreateContainerConfigError", "secret not found")},
		{"unscheduled", "container main never started: Unschedulable: 0/3 nodes are available", unscheduled},
		{"init", "container setup failed with exit code 3 after 3m12s", initFailed},
		{"deleted", "deleted while running", running},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := manifestOf(t, c.pod).Diagnosis; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestDiagnosisOfWhatCameBefore: only the last attempt of a container counts, and none of a pod that succeeded.
func TestDiagnosisOfWhatCameBefore(t *testing.T) {
	begin := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	record := func(kind archive.ContainerKind, restart int, code int32, after time.Duration) archive.InstanceRecord {
		return archive.InstanceRecord{
			Instance: archive.Instance{Container: "the-" + string(kind), Kind: kind, Restart: restart},
			State:    archive.ContainerState{ExitCode: &code, StartedAt: begin, FinishedAt: begin.Add(after)},
		}
	}
	const main, init, side = archive.KindMain, archive.KindInit, archive.KindSidecar
	open := archive.InstanceRecord{Instance: archive.Instance{Container: "the-main", Kind: main, Restart: 1}}
	for _, c := range []struct {
		name, phase, want string
		instances         []archive.InstanceRecord
	}{
		{"main was restarted", "Succeeded", "succeeded after 30s", []archive.InstanceRecord{record(main, 0, 1, 3*time.Second), record(main, 1, 0, 30*time.Second)}},
		{"init was restarted", "Succeeded", "succeeded after 30s",
			[]archive.InstanceRecord{record(init, 0, 1, 3*time.Second), record(init, 1, 0, 5*time.Second), record(main, 0, 0, 30*time.Second)}},
		{"the sidecar was ended", "Succeeded", "succeeded after 33s", []archive.InstanceRecord{record(side, 0, 143, 33*time.Second), record(main, 0, 0, 30*time.Second)}},
		{"main failed otherwise before", "Failed", "container the-main failed with exit code 2 after 30s",
			[]archive.InstanceRecord{record(main, 0, 1, 3*time.Second), record(main, 1, 2, 30*time.Second)}},
		{"main failed, and was deleted in the next attempt", "Running", "running", []archive.InstanceRecord{record(main, 0, 1, 3*time.Second), open}},
		{"nobody knows how main ended", "Failed", "container the-sidecar was ended by signal 9 after 3s",
			[]archive.InstanceRecord{record(side, 0, 137, 3*time.Second), open}},
		{"main ended well, then the sidecar was ended", "Failed", "failed", []archive.InstanceRecord{record(side, 0, 143, 33*time.Second), record(main, 0, 0, 30*time.Second)}},
		{"the sidecar failed before main ended", "Failed", "container the-sidecar failed with exit code 1 after 3s",
			[]archive.InstanceRecord{record(side, 0, 1, 3*time.Second), record(main, 0, 0, 30*time.Second)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &archive.Manifest{Pod: archive.PodSummary{Phase: c.phase, StartedAt: begin}, Instances: c.instances}
			if got := pods.Diagnose(m); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestManifestNamesEveryContainer: whatever the kubelet says of a container, the manifest says something too.
func TestManifestNamesEveryContainer(t *testing.T) {
	lost := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}}
	for _, c := range []struct {
		name   string
		status corev1.ContainerStatus
		want   []archive.Verdict // by restart
	}{
		{"never seen", corev1.ContainerStatus{}, []archive.Verdict{archive.NeverStarted}},
		{"ran", corev1.ContainerStatus{ContainerID: "a", State: watchtest.Ended("a")}, []archive.Verdict{archive.Complete}},
		{"the third attempt", corev1.ContainerStatus{ContainerID: "c", RestartCount: 2, State: watchtest.Ended("c"), LastTerminationState: watchtest.Ended("b")},
			[]archive.Verdict{archive.Lost, archive.Complete, archive.Complete}},
		{"the runtime lost it", corev1.ContainerStatus{State: lost}, []archive.Verdict{archive.NeverStarted}},
		// The kubelet counts one more for a container that it has lost sight of.
		{"the runtime lost it while it ran", corev1.ContainerStatus{RestartCount: 1, State: lost, LastTerminationState: lost}, []archive.Verdict{archive.Lost}},
		{"the runtime lost it after a restart", corev1.ContainerStatus{RestartCount: 2, State: lost, LastTerminationState: lost},
			[]archive.Verdict{archive.Lost, archive.Lost}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := watchtest.PodOf(c.status)
			pod.Status.Phase = corev1.PodFailed
			m := manifestOf(t, pod)
			if got, want := len(m.Instances), len(c.want); got != want {
				t.Fatalf("got %d records %+v, want %d", got, m.Instances, want)
			}
			for n, r := range m.Instances {
				if r.Restart != n || r.Verdict != c.want[n] || r.Verdict == archive.Lost && r.Reason == "" {
					t.Errorf("record %d: got restart %d, %s (%s), want %s", n, r.Restart, r.Verdict, r.Reason, c.want[n])
				}
			}
		})
	}
}

// TestManifestHasNoSecrets: nothing of environment and arguments reaches a manifest.
func TestManifestHasNoSecrets(t *testing.T) {
	pod := endedAs(1, "Error")
	pod.Spec, pod.ObjectMeta = watchtest.Secretive(), watchtest.SecretiveMeta()
	if _, err := pods.Trim(pod); err != nil {
		t.Fatal(err)
	}
	m := manifestOf(t, pod)
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), watchtest.Secret) || strings.Contains(string(text), pods.WorkloadIDs) {
		t.Errorf("the manifest has what must not be in it: %s", text)
	}
	if len(m.Workloads) != 1 || m.Workloads[0] != watchtest.RunID {
		t.Errorf("got workloads %v, want %s", m.Workloads, watchtest.RunID)
	}
}
