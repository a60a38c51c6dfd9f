package launch

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/yaml"

	"github.com/epilogue-dev/epilogue/golden"
	"github.com/epilogue-dev/epilogue/mark"
)

const workload = "6f1c0e0a-5a4e-4d0b-9f39-0d1f2c3b4a59"

var asked = time.Date(2026, 11, 24, 6, 0, 0, 120, time.UTC)

// full is a Shape in which every setting says something.
func full() Shape {
	return Shape{
		Namespace: "zenml-workload-manager", ServiceAccount: "zenml-workload-manager", JobLabels: map[string]string{"team": "ml"},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("400Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("700Mi")},
		},
		NodeSelector: map[string]string{"node-pool": "zenml-pool"},
		Tolerations:  []corev1.Toleration{{Key: "node-pool", Operator: corev1.TolerationOpEqual, Value: "zenml-pool", Effect: corev1.TaintEffectNoSchedule}},
		BackoffLimit: new(int32(2)),
		FailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
			Action:          batchv1.PodFailurePolicyActionIgnore,
			OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
		}}},
		PodTemplate: `{"metadata": {"labels": {"team": "ml"}}, "spec": {"imagePullSecrets": [{"name": "registry"}],
			"securityContext": {"runAsNonRoot": true, "runAsUser": 1000},
			"volumes": [{"name": "tmp", "emptyDir": {}}],
			"containers": [{"name": "main", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
				"securityContext": {"capabilities": {"drop": ["ALL"]}}}]}}`,
		BuilderImage: "docker.io/moby/buildkit:v0.34.2-rootless", RegistrySecret: "registry",
	}
}

func run() Run {
	return Run{
		Workload: workload, Image: "registry.example.com/zenml-runner:0a1b",
		Command:     []string{"python", "-m", "zenml.entrypoints.entrypoint"},
		Arguments:   []string{"--run_id", workload, "$(HOME)"},
		Environment: map[string]string{"ZENML_STORE_API_TOKEN": "s3cr3t", "ZENML_STORE_TYPE": "rest"},
		Timeout:     3 * time.Minute,
	}
}

func build() Build {
	return Build{Workload: workload, Dockerfile: "FROM zenmldocker/zenml:0.93.0-py3.12\n", ImageName: "zenml-runner:0a1b"}
}

func (s Shape) testRunner(t *testing.T, r Run, server Server) *batchv1.Job {
	t.Helper()
	job, err := s.job(draft{
		identity: r.identity(), attempt: 1, timeout: r.Timeout, asked: asked, template: s.PodTemplate,
		notes: map[string]string{imageName: r.Image, environment: "secret"}, pod: s.runner(r, r.Image, "secret"),
	}, server)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func (s Shape) testBuilder(t *testing.T, b Build, server Server) *batchv1.Job {
	t.Helper()
	job, err := s.job(draft{
		identity: b.identity(), attempt: 1, asked: asked, template: s.BuilderTemplate,
		notes: map[string]string{imageName: "r/" + b.ImageName, contents: "dockerfile"},
		pod:   s.builder("r/"+b.ImageName, "dockerfile", s.RegistrySecret, server),
	}, server)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// The Jobs as the API server gets them, from an old one to a new one.
func TestJobs(t *testing.T) {
	least := Shape{Namespace: "jobs", ServiceAccount: "runner", BuilderImage: "docker.io/moby/buildkit:v0.34.2-rootless"}
	insecure := least
	insecure.Insecure = true
	insecure.BuilderTemplate = `{"spec": {"containers": [{"name": "main", "image": "kaniko:1", "command": ["/kaniko/executor"],
		"args": ["--dockerfile=/epilogue/dockerfile/Dockerfile", "--destination=$(EPILOGUE_IMAGE)"], "securityContext": null}]}}`
	tests := map[string]*batchv1.Job{
		"runner-least":      least.testRunner(t, Run{Workload: workload, Image: "i"}, Server{1, 37}),
		"runner-full":       full().testRunner(t, run(), Server{1, 37}),
		"runner-full-1.28":  full().testRunner(t, run(), Server{1, 28}),
		"runner-full-1.24":  full().testRunner(t, run(), Server{1, 24}),
		"builder-full":      full().testBuilder(t, build(), Server{1, 37}),
		"builder-full-1.24": full().testBuilder(t, build(), Server{1, 24}),
		"builder-other":     insecure.testBuilder(t, build(), Server{1, 37}),
	}
	for name, job := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(job)
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join("testdata", name+".yaml"), got)
		})
	}
}

// What the queue, the archive and the gate find a Job by is never a template's to take away.
func TestTemplateTakesNothingThatIsNeeded(t *testing.T) {
	s := full()
	s.PodTemplate = `{"metadata": null, "spec": {"restartPolicy": null}}`
	job := s.testRunner(t, run(), Server{1, 37})
	if got := job.Spec.Template.Labels[mark.WorkloadID]; got != workload {
		t.Errorf("got pod's workload %q, want %q", got, workload)
	}
	if got, want := job.Spec.Template.Spec.RestartPolicy, corev1.RestartPolicyNever; got != want {
		t.Errorf("got restart policy %q, want %q", got, want)
	}
}

func TestEnvironmentIsNotInTheJob(t *testing.T) {
	text, err := yaml.Marshal(full().testRunner(t, run(), Server{1, 37}))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cr3t", "ZENML_STORE_API_TOKEN", "rest"} {
		if strings.Contains(string(text), secret) && secret != "rest" || strings.Contains(string(text), ": rest\n") {
			t.Errorf("%q stands in the Job:\n%s", secret, text)
		}
	}
}

// The same request has the same name in every version and on every replica; the names here are what earlier versions
// gave.
func TestJobName(t *testing.T) {
	change := func(f func(*Run)) Run { r := run(); f(&r); return r }
	name := run().identity().jobName()
	if want := "runner-6f1c0e0a-rpdkbepmzn2s63yx"; name != want {
		t.Errorf("got %q, want %q", name, want)
	}
	same := map[string]Run{
		"another token":   change(func(r *Run) { r.Environment["ZENML_STORE_API_TOKEN"] = "other" }),
		"another timeout": change(func(r *Run) { r.Timeout = 0 }),
	}
	for what, r := range same {
		if got := r.identity().jobName(); got != name {
			t.Errorf("%s: got %q, want the same name", what, got)
		}
	}
	others := map[string]Run{
		"workload":  change(func(r *Run) { r.Workload = "6f1c0e0a-5a4e-4d0b-9f39-0d1f2c3b4a60" }),
		"image":     change(func(r *Run) { r.Image += "c" }),
		"argument":  change(func(r *Run) { r.Arguments = []string{"--run_id", "x"} }),
		"variable":  change(func(r *Run) { r.Environment["A"] = "" }),
		"request":   change(func(r *Run) { r.RequestID = "2" }),
		"cut other": change(func(r *Run) { r.Arguments = append(r.Command[2:], r.Arguments...); r.Command = r.Command[:2] }),
	}
	for what, r := range others {
		if got := r.identity().jobName(); got == name {
			t.Errorf("%s: got %q, want another name", what, got)
		}
	}
	if got := (identity{Workload: "--Ä--", Kind: Builder}).jobName(); !strings.HasPrefix(got, "builder-") || strings.Contains(got, "--") {
		t.Errorf("got %q, want a name of a Job", got)
	}
}

func TestChecks(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"run", run().check(), ""},
		{"build", build().check(), ""},
		{"no workload", Run{Image: "i"}.check(), "workload id: value"},
		{"no image", Run{Workload: "w"}.check(), "image: value"},
		{"bad variable", Run{Workload: "w", Image: "i", Environment: map[string]string{"1A": "s3cr3t"}}.check(), `environment: name "1A"`},
		{"half a second", Run{Workload: "w", Image: "i", Timeout: 1500 * time.Millisecond}.check(), "timeout_in_seconds: value 1.5s"},
		{"registry in image name", Build{Workload: "w", Dockerfile: "FROM a", ImageName: "host:5000/a:b"}.check(), "image_name: value"},
		{"image name that leads elsewhere", Build{Workload: "w", Dockerfile: "FROM a", ImageName: "a/../b:c"}.check(), "image_name: value"},
		{"image name with an empty part", Build{Workload: "w", Dockerfile: "FROM a", ImageName: "a//b:c"}.check(), "image_name: value"},
		{"image name of an odd part", Build{Workload: "w", Dockerfile: "FROM a", ImageName: "a/-b:c"}.check(), "image_name: value"},
		{"no Dockerfile", Build{Workload: "w", ImageName: "a:b"}.check(), "dockerfile: 0 bytes"},
		{"long arguments", Run{Workload: "w", Image: "i", Arguments: []string{strings.Repeat("a", mostContent+1)}}.check(), "arguments: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			switch {
			case test.want == "" && test.err != nil:
				t.Error(test.err)
			case test.want != "" && (test.err == nil || !strings.Contains(test.err.Error(), test.want)):
				t.Errorf("got %v, want %s", test.err, test.want)
			case test.err != nil && strings.Contains(test.err.Error(), "s3cr3t"):
				t.Errorf("%v tells a value", test.err)
			}
		})
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]Server{"24": {1, 24}, "31+": {1, 31}} {
		if got, err := ParseServer(version.Info{Major: "1", Minor: text}); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := ParseServer(version.Info{Major: "1"}); err == nil {
		t.Error("no minor version: got no error")
	}
}
