package pods

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

func TestTrim(t *testing.T) {
	for name, object := range map[string]metav1.Object{
		"pod": &corev1.Pod{ObjectMeta: watchtest.SecretiveMeta(), Spec: watchtest.Secretive()},
		"job": &batchv1.Job{ObjectMeta: watchtest.SecretiveMeta(), Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: watchtest.Secretive()}}},
	} {
		t.Run(name, func(t *testing.T) {
			once := trimmed(t, object)
			if strings.Contains(once, watchtest.Secret) {
				t.Errorf("the trimmed %s still has the secret: %s", name, once)
			}
			for _, part := range []string{
				"zenml.io/pipeline", "epilogue.dev/keep", `"job-name":"j"`, "helm.sh/hook", "argocd.argoproj.io/hook", "default-container",
			} {
				if !strings.Contains(once, part) {
					t.Errorf("the trimmed %s has lost %s", name, part)
				}
			}
			if got, want := Workloads([]string{"no-such-label"}, object), []string{watchtest.RunID}; !slices.Equal(got, want) {
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
		ObjectMeta: watchtest.SecretiveMeta(), Message: strings.Repeat("x", 1<<20), Reason: "BackOff",
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
		{"an argument and its value", []string{"--run_id", watchtest.RunID}, nil, []string{watchtest.RunID}},
		{"joined", []string{"--run_id=" + watchtest.RunID}, nil, []string{watchtest.RunID}},
		{"twice the same", []string{"--run_id=" + watchtest.RunID, "--snapshot_id", watchtest.RunID}, map[string]string{"zenml/run": watchtest.RunID}, []string{watchtest.RunID}},
		{"two ids, of the snapshot and of the run", []string{"--snapshot_id", snapshotID, "--run_id", watchtest.RunID}, nil, []string{snapshotID, watchtest.RunID}},
		{"a label and an argument", []string{"--run_id", watchtest.RunID}, map[string]string{"zenml/run": "r"}, []string{"r", watchtest.RunID}},
		{"the command line of a shell", []string{"-c", "exec python -m zenml --run_id '" + watchtest.RunID + "'"}, nil, []string{watchtest.RunID}},
		{"no id", []string{"--run_id", "latest"}, nil, nil},
		{"no value", []string{"--run_id"}, nil, nil},
		{"another option", []string{"--id", watchtest.RunID}, nil, nil},
		{"a label as no server takes it", nil, map[string]string{"zenml/run": "../../other"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Labels: c.labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Args: c.args}}},
			}
			trimmed(t, pod)
			if got := Workloads([]string{"zenml/run"}, pod); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
