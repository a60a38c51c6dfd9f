package watch

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const secret = "a-token-that-never-expires"

const runID = "0f3c9f5e-7a51-4d3b-9a44-6d0c6a1a2b3c"

// secretive is a pod spec that has the secret wherever one can stand.
func secretive() corev1.PodSpec {
	c := corev1.Container{
		Name: "main", Image: "registry.example/main:1", Command: []string{"run", "--token", secret},
		Args:    []string{secret, "--run_id", runID, "--snapshot_id=" + strings.ToUpper(runID)},
		Env:     []corev1.EnvVar{{Name: "ZENML_STORE_API_TOKEN", Value: secret}},
		EnvFrom: []corev1.EnvFromSource{{Prefix: secret}},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			Exec: &corev1.ExecAction{Command: []string{secret}},
		}},
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{secret}}}},
	}
	init := c
	init.Name = "init"
	return corev1.PodSpec{
		InitContainers: []corev1.Container{init}, Containers: []corev1.Container{c}, NodeName: "node",
		EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debug", Env: []corev1.EnvVar{{Name: "T", Value: secret}}, Args: []string{secret},
		}}},
	}
}

func secretiveMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: "p", Labels: map[string]string{"job-name": "j"},
		ManagedFields: []metav1.ManagedFieldsEntry{{FieldsV1: metav1.NewFieldsV1(secret)}},
		Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: secret, "cache.epilogue.dev/workload-ids": secret, "cache.epilogue.dev/anything": secret,
			"example.com/anything": secret,
			"zenml.io/pipeline":    "kept", "epilogue.dev/keep": "true",
			"helm.sh/hook": "pre-upgrade", "argocd.argoproj.io/hook": "Sync", "kubectl.kubernetes.io/default-container": "main",
		},
	}
}

func TestTrim(t *testing.T) {
	for name, object := range map[string]metav1.Object{
		"pod": &corev1.Pod{ObjectMeta: secretiveMeta(), Spec: secretive()},
		"job": &batchv1.Job{ObjectMeta: secretiveMeta(), Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: secretive()}}},
	} {
		t.Run(name, func(t *testing.T) {
			once := trimmed(t, object)
			if strings.Contains(once, secret) {
				t.Errorf("the trimmed %s still has the secret: %s", name, once)
			}
			for _, part := range []string{
				"zenml.io/pipeline", "epilogue.dev/keep", `"job-name":"j"`, "helm.sh/hook", "argocd.argoproj.io/hook", "default-container",
			} {
				if !strings.Contains(once, part) {
					t.Errorf("the trimmed %s has lost %s", name, part)
				}
			}
			if got, want := workloads([]string{"no-such-label"}, object), []string{runID}; !slices.Equal(got, want) {
				t.Errorf("got workloads %v, want %v", got, want)
			}
			if twice := trimmed(t, object); twice != once {
				t.Errorf("trimmed twice: got %s, want %s", twice, once)
			}
		})
	}
}

func trimmed(t *testing.T, object any) string {
	t.Helper()
	got, err := Trim(object)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTrimEvent(t *testing.T) {
	e := &corev1.Event{
		ObjectMeta: secretiveMeta(), Message: strings.Repeat("x", 1<<20), Reason: "BackOff",
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", UID: "u"},
	}
	if got := len(trimmed(t, e)); got > 4<<10 {
		t.Errorf("a trimmed Event has %d bytes, want 4096 at most", got)
	}
	if e.Reason != "BackOff" || e.InvolvedObject.UID != "u" {
		t.Errorf("got %+v, want reason and object kept", e)
	}
}

const snapshotID = "0b5c7d2e-9f40-4c11-8a67-3d2e1f0a9b8c"

func TestWorkloads(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		labels map[string]string
		want   []string
	}{
		{"none", nil, nil, nil},
		{"a label", nil, map[string]string{"zenml/run": "r"}, []string{"r"}},
		{"an argument and its value", []string{"--run_id", runID}, nil, []string{runID}},
		{"joined", []string{"--run_id=" + runID}, nil, []string{runID}},
		{"twice the same", []string{"--run_id=" + runID, "--snapshot_id", runID}, map[string]string{"zenml/run": runID}, []string{runID}},
		{"two ids, of the snapshot and of the run", []string{"--snapshot_id", snapshotID, "--run_id", runID}, nil, []string{snapshotID, runID}},
		{"a label and an argument", []string{"--run_id", runID}, map[string]string{"zenml/run": "r"}, []string{"r", runID}},
		{"the command line of a shell", []string{"-c", "exec python -m zenml --run_id '" + runID + "'"}, nil, []string{runID}},
		{"no id", []string{"--run_id", "latest"}, nil, nil},
		{"no value", []string{"--run_id"}, nil, nil},
		{"another option", []string{"--id", runID}, nil, nil},
		{"a label as no server takes it", nil, map[string]string{"zenml/run": "../../other"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Labels: c.labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Args: c.args}}},
			}
			trimmed(t, pod)
			if got := workloads([]string{"zenml/run"}, pod); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
