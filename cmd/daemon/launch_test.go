package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apiversion "k8s.io/apimachinery/pkg/version"
	discovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/golden"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/metrics"
)

// exampleConfig returns the settings of an example as the chart passes them on.
func exampleConfig(t *testing.T, path string) config.Config {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		Archive, Namespace string
		Launcher           struct{ Enabled bool }
		Environment        map[string]any
	}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"EPILOGUE_ARCHIVE": values.Archive, "EPILOGUE_NAMESPACE": values.Namespace, "EPILOGUE_LAUNCHER": fmt.Sprint(values.Launcher.Enabled),
	}
	for name, value := range values.Environment {
		env[name] = fmt.Sprint(value)
	}
	source := config.Bind(pflag.NewFlagSet("epilogue", pflag.ContinueOnError))
	cfg, err := source.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range source.Unknown(slices.Collect(func(yield func(string) bool) {
		for name, value := range env {
			if !yield(name + "=" + value) {
				return
			}
		}
	})) {
		t.Error(line)
	}
	return cfg
}

type noCache struct{}

func (noCache) Jobs() []*batchv1.Job           { return nil }
func (noCache) Job(string) *batchv1.Job        { return nil }
func (noCache) PodsOf(types.UID) []*corev1.Pod { return nil }

type emptyRegistry struct{}

func (emptyRegistry) Has(context.Context, string) (bool, error)     { return false, nil }
func (emptyRegistry) Ready(context.Context, string) ([]byte, error) { return []byte("{}"), nil }

var chance = regexp.MustCompile(`-(env|login|dockerfile)-[a-z2-7]{6}\b|"20[0-9]+(-)[0-9TZ:.-]+Z"`)

// Each of ZenML's three complete examples loads, and what it launches is what its page promises.
func TestExamples(t *testing.T) {
	for _, name := range []string{"minimal", "aws", "prebuilt"} {
		t.Run(name, func(t *testing.T) {
			cfg := exampleConfig(t, filepath.Join("..", "..", "deploy", "examples", name+".yaml"))
			if !cfg.Launch.Enabled {
				t.Fatal("the example does not launch")
			}
			launching, err := launchConfig(cfg)
			if err != nil {
				t.Fatal(err)
			}
			client := fake.NewClientset()
			client.Discovery().(*discovery.FakeDiscovery).FakedServerVersion = &apiversion.Info{Major: "1", Minor: "37"}
			l := launch.New(launching, launch.Parts{
				Client: client, Cache: noCache{}, Registry: emptyRegistry{}, Metrics: metrics.NewLaunch(nil), Log: slog.New(slog.DiscardHandler),
			})
			const workload = "6f1c0e0a-5a4e-4d0b-9f39-0d1f2c3b4a59"
			built, err := l.Build(t.Context(), launch.Build{Workload: workload, Dockerfile: "FROM zenml\n", ImageName: "zenml-runner:0a1b"})
			if wanted := name != "minimal"; (err == nil) != wanted {
				t.Fatalf("build: got %v, want it to work: %v", err, wanted)
			}
			image := built.Image
			if image == "" {
				image = "registry.example.com/snapshot:1" // the snapshot's own
			}
			_, err = l.Start(t.Context(), launch.Run{
				Workload: workload, Image: image, Command: []string{"python", "-m", "zenml.entrypoints.entrypoint"},
				Arguments: []string{"--run_id", workload}, Environment: map[string]string{"ZENML_STORE_API_TOKEN": "s3cr3t"},
			})
			if err != nil {
				t.Fatal(err)
			}
			jobs, err := client.BatchV1().Jobs(cfg.Kubernetes.Namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, job := range jobs.Items {
				job.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
				job.ManagedFields = nil
				one, err := yaml.Marshal(job)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&text, "---\n%s", one)
			}
			got := chance.ReplaceAllString(text.String(), "-$1$2-CHANCE")
			if strings.Contains(got, "s3cr3t") {
				t.Error("the token stands in a Job")
			}
			golden.Compare(t, filepath.Join("testdata", "example-"+name+".yaml"), []byte(got))
		})
	}
}
