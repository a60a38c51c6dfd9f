package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/epilogue-dev/epilogue/golden"
	"github.com/epilogue-dev/epilogue/mark"
)

const secret = "eyJhbGciOi.never-expires"

// runners returns two Jobs of ZenML's and one that is not, with a pod each.
func runners() []runtime.Object {
	var all []runtime.Object
	yes := true
	for n, name := range []string{"runner-1", "runner-2", "other"} {
		labels := map[string]string{"app": "zenml", "workload": fmt.Sprintf("00000000-0000-0000-0000-00000000000%d", n)}
		args := []string{"--entrypoint_config_source", "zenml.x.RunnerEntrypointConfiguration", "--run_id", labels["workload"], "--key=" + secret}
		if name == "other" {
			labels, args = map[string]string{"app": "backup"}, []string{secret}
		}
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: zenml, Name: name, UID: types.UID(name), Labels: labels}}
		all = append(all, job)
		all = append(all, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: zenml, Name: name + "-x", Labels: labels,
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: name, UID: job.UID, Controller: &yes}},
			},
			Spec: corev1.PodSpec{ServiceAccountName: "runner", Containers: []corev1.Container{{
				Name: "main", Args: args, Env: []corev1.EnvVar{{Name: "ZENML_STORE_API_TOKEN", Value: secret}},
			}}},
		})
	}
	return all
}

func TestDiscover(t *testing.T) {
	for _, tt := range []struct{ name, args string }{
		{"discover", "discover"},
		{"discover-chosen", "discover -l app=zenml --workload-labels workload"},
	} {
		c := newScreen()
		c.kubes = fake.NewClientset(runners()...)
		code := c.does(t.Context(), strings.Split(tt.args, " ")...)
		if code != codeOK || strings.Contains(c.out.String(), secret) || strings.Contains(c.out.String(), "ZENML_STORE") {
			t.Errorf("%s: got exit code %d and %s%s, want no environment and no argument's value", tt.args, code, c.out, c.errOut)
		}
		golden.Compare(t, filepath.Join("testdata", tt.name+".txt"), []byte("$ kubectl epilogue "+tt.args+"\n"+c.out.String()))
	}
}

func TestRelease(t *testing.T) {
	held := func(name string) *batchv1.Job {
		return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: zenml, Name: name, UID: types.UID(name), Finalizers: []string{mark.Finalizer}}}
	}
	for _, tt := range []struct {
		args  string
		want  int
		still []string // carry the gate afterwards
		says  string
	}{
		{"release", codeUse, []string{"a", "b"}, "--all"},
		{"release a --all", codeUse, []string{"a", "b"}, "--all"},
		{"release pod/a", codeUse, []string{"a", "b"}, "no Job"},
		{"release a --dry-run=server", codeUse, []string{"a", "b"}, "none or client"},
		{"release --all --dry-run", codeOK, []string{"a", "b"}, "job/a would be released"},
		{"release --all", codeOK, nil, "job/b released"},
	} {
		c := newScreen()
		client := fake.NewClientset(held("a"), held("b"))
		c.kubes = client
		code := c.does(t.Context(), strings.Split(tt.args, " ")...)
		if said := c.out.String() + c.errOut.String(); code != tt.want || !strings.Contains(said, tt.says) {
			t.Errorf("%s: got exit code %d and %q, want %d and %q", tt.args, code, said, tt.want, tt.says)
		}
		jobs, err := client.BatchV1().Jobs(zenml).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var still []string
		for _, job := range jobs.Items {
			if len(job.Finalizers) > 0 {
				still = append(still, job.Name)
			}
		}
		if !slices.Equal(still, tt.still) {
			t.Errorf("%s: got the gate on %q, want on %q", tt.args, still, tt.still)
		}
	}
}

// TestReleaseOfOne: the fake knows no field selector, so what counts is which one it was given; the rest is proven
// against a real API server.
func TestReleaseOfOne(t *testing.T) {
	c := newScreen()
	client := fake.NewClientset()
	c.kubes = client
	if code := c.does(t.Context(), "release", "job/a", "b"); code != codeNotFound || !strings.Contains(c.errOut.String(), "zenml/b") {
		t.Errorf("got exit code %d and %q, want %d for both", code, c.errOut, codeNotFound)
	}
	var got []string
	for _, action := range client.Actions() {
		if list, ok := action.(clienttesting.ListAction); ok && list.GetResource().Resource == "jobs" {
			got = append(got, list.GetListRestrictions().Fields.String())
		}
	}
	if want := []string{"metadata.name=a", "metadata.name=b"}; !slices.Equal(got, want) {
		t.Errorf("got lists of %q, want %q", got, want)
	}
}

// TestK9sPlugin: what the file has k9s call must be a command of ours.
func TestK9sPlugin(t *testing.T) {
	text, err := os.ReadFile("../deploy/k9s-plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Plugins map[string]struct {
			Command string
			Args    []string
			Scopes  []string
		}
	}
	if err := yaml.UnmarshalStrict(text, &file, yaml.DisallowUnknownFields); err != nil && len(file.Plugins) == 0 {
		t.Fatal(err)
	}
	for name, plugin := range file.Plugins {
		line, _, _ := strings.Cut(plugin.Command+" "+strings.Join(plugin.Args, " "), " 2>&1")
		_, line, found := strings.Cut(line, "epilogue ")
		if !found || len(plugin.Scopes) == 0 {
			t.Errorf("%s: got %q for %q, want a call of ours", name, line, plugin.Scopes)
			continue
		}
		cmd, rest, err := newScreen().command().Find(strings.Fields(strings.ReplaceAll(line, `"`, "")))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err != nil {
			t.Errorf("%s: %q: %v", name, line, err)
			continue
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %q: %v", name, line, err)
		}
	}
}

func TestKrewManifest(t *testing.T) {
	text, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		Builds []struct{ ID, Binary string }
		Krews  []struct {
			Name string
			IDs  []string
		}
	}
	if err := yaml.Unmarshal(text, &release); err != nil {
		t.Fatal(err)
	}
	if len(release.Krews) != 1 || len(release.Krews[0].IDs) != 1 {
		t.Fatalf("got %+v, want one manifest of one program", release.Krews)
	}
	want := newScreen().command().Name()
	if got := "kubectl-" + release.Krews[0].Name; got != want {
		t.Errorf("got plugin %s, want %s", got, want)
	}
	for _, b := range release.Builds {
		if b.ID == release.Krews[0].IDs[0] && b.Binary != want {
			t.Errorf("got program %s, want %s", b.Binary, want)
		}
	}
}

// TestCompletionOfKubectl: kubectl calls kubectl_complete-epilogue with what was typed.
func TestCompletionOfKubectl(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubectl-epilogue"), []byte("#!/bin/sh\necho \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "../deploy/kubectl_complete-epilogue", "logs", "ni")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if got, want := string(out), "__complete logs ni\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
