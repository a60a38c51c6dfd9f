package survey

import (
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

const (
	runID  = "11111111-2222-3333-4444-555555555555"
	secret = "eyJhbGciOi.never-expires"
)

// pair returns a Job and a pod of it.
func pair(name string, of map[string]string, args ...string) []runtime.Object {
	yes := true
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), Labels: of}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: name + "-x", Labels: of,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: name, UID: types.UID(name), Controller: &yes}},
		},
		Spec: corev1.PodSpec{
			ServiceAccountName: "runner",
			Containers: []corev1.Container{{
				Name: "main", Args: args, Env: []corev1.EnvVar{{Name: "ZENML_STORE_API_TOKEN", Value: secret}},
			}},
		},
	}
	return []runtime.Object{job, pod}
}

func TestLook(t *testing.T) {
	var objects []runtime.Object
	objects = append(objects, pair("runner", map[string]string{"app": "zenml", "wl": runID},
		"--entrypoint_config_source", "zenml.entrypoints.runner.RunnerEntrypointConfiguration", "--run_id", runID, "--api-key="+secret)...)
	objects = append(objects, pair("builder", map[string]string{"app": "zenml", "wl": runID}, "--destination", "registry/"+secret)...)
	objects = append(objects, pair("other", map[string]string{"app": "cron"}, secret, "-v")...)
	selector, err := labels.Parse("app=cron")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Look(t.Context(), fake.NewClientset(objects...), "ns", Options{Selector: selector, WorkloadLabels: []string{"epilogue.dev/workload-id"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"numbers", fmt.Sprint(s.Jobs, s.Pods, s.ZenML), "3 3 1"},
		{"labels", fmt.Sprint(s.Labels), "[{app 3 3 2 cron} {wl 2 2 1 " + runID + "}]"},
		{"accounts", fmt.Sprint(s.Accounts), "[{runner 3}]"},
		{"owners", fmt.Sprint(s.JobOwners, s.PodOwners), "[{<none> 3}] [{Job 3}]"},
		{"arguments", fmt.Sprint(s.Arguments), "[{--api-key 1 <value>} {--destination 1 <value>} " +
			"{--entrypoint_config_source 1 zenml.entrypoints.runner.RunnerEntrypointConfiguration} {--run_id 1 <uuid>} {-v 1 }]"},
		{"selection", fmt.Sprint(s.Selection), "[{app=cron true 1 0} {app=zenml false 2 1} {wl=" + runID + " false 2 1}]"},
		{"workload", fmt.Sprint(s.Workload), "[{epilogue.dev/workload-id 0 true } {wl 2 false --run_id}]"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.what, tt.got, tt.want)
		}
	}
	if text := fmt.Sprintf("%+v", s); strings.Contains(text, secret) || strings.Contains(text, "ZENML_STORE") {
		t.Errorf("got %s, want nothing of an environment and no value of an argument", text)
	}
}

func TestKindOf(t *testing.T) {
	for value, want := range map[string]string{
		"": "", runID: anID, "abc": other, "zenml.entrypoints.X": other, secret: other,
		"zenml.a_b.StepEntrypointConfiguration": "zenml.a_b.StepEntrypointConfiguration", "AKIAIOSFODNN7EXAMPLE": other,
	} {
		if got := kindOf(value); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}
