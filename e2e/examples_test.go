//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// prebuiltImage is what deploy/examples/prebuilt.yaml names.
const prebuiltImage = "internal-registry.mycompany.com/zenml/zenml:0.93.0"

// TestExamples installs the daemon with each of ZenML's three complete examples as the chart's values, and runs a
// workload by it. Of the files only the archive and the namespace are others: a bucket that is there, and Jobs that
// other tests do not see.
func TestExamples(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 6*minute)
	defer cancel()
	s := own(t, stage.Config{Namespace: "epilogue-e2e-examples", File: example("minimal"), Profile: "baseline"})
	z := newZenML(ctx, t, s)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "zenml-workload-manager", Namespace: s.Jobs}}
	if _, err := s.Client.CoreV1().ServiceAccounts(s.Jobs).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// What the examples ask of the cluster, and kind has not.
	_, node, err := nodeAddress(ctx, s.Client)
	if err != nil {
		t.Fatal(err)
	}
	z.label(node, "node-pool", "zenml-pool")
	z.onNode(node, "tag", "--force", "docker.io/library/"+s.SampleImage, prebuiltImage)
	defer func() {
		z.T = t
		z.label(node, "node-pool", nil)
		z.onNode(node, "rm", prebuiltImage)
	}()

	for n, test := range []struct {
		name   string
		values []string // besides those of the file
		image  string   // of the request
		want   func(*batchv1.Job) bool
	}{
		{"minimal", nil, s.SampleImage, func(job *batchv1.Job) bool {
			return job.Spec.Template.Spec.Containers[0].Image == s.SampleImage && job.Spec.Template.Spec.NodeSelector == nil
		}},
		{"aws", []string{"s3.region=us-east-1"}, s.SampleImage, func(job *batchv1.Job) bool {
			pod := &job.Spec.Template.Spec
			return pod.NodeSelector["node-pool"] == "zenml-pool" && hasResources(pod) && slices.Contains(pod.Tolerations, corev1.Toleration{
				Key: "node-pool", Operator: corev1.TolerationOpEqual, Value: "zenml-pool", Effect: corev1.TaintEffectNoSchedule,
			})
		}},
		{"prebuilt", nil, "of/no:use", func(job *batchv1.Job) bool {
			return job.Spec.Template.Spec.Containers[0].Image == prebuiltImage && hasResources(&job.Spec.Template.Spec)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			z.T = t
			if err := s.Apply(ctx, example(test.name), test.values...); err != nil {
				t.Fatal(err)
			}
			z.reopen("")
			var launched struct{ Name string }
			z.ask("POST", "/api/v1/namespaces/"+s.Jobs+"/workloads/"+runID(400+n)+"/runs", map[string]any{
				"image": test.image, "arguments": []string{"lines", "-n", "20"}, "environment": map[string]string{"TOKEN": launchToken},
			}, &launched)
			job := z.untilOver(launched.Name)
			if pod := &job.Spec.Template.Spec; job.Status.Succeeded != 1 || pod.ServiceAccountName != account.Name || !test.want(job) || job.Spec.TTLSecondsAfterFinished != nil {
				t.Errorf("got %+v with %+v, want what the example says", pod, job.Status)
			}
			ms, err := s.AwaitManifests(ctx, launched.Name, 1)
			if err != nil {
				t.Fatal(err)
			}
			if r := ms[0].Instances[0]; r.Verdict != archive.Complete || r.Log.Lines != 20 {
				t.Errorf("got %+v, want a complete log of 20 lines", r)
			}
		})
	}
}

func example(name string) string { return filepath.Join("..", "deploy", "examples", name+".yaml") }

// hasResources reports whether the pod asks for what ZenML's page shows.
func hasResources(pod *corev1.PodSpec) bool {
	r := pod.Containers[0].Resources
	return r.Requests.Cpu().String() == "100m" && r.Requests.Memory().String() == "400Mi" && r.Limits.Memory().String() == "700Mi"
}

// label sets a label of the node, or with nil takes it away.
func (z *zenml) label(node, key string, value any) {
	z.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{key: value}}})
	if err == nil {
		_, err = z.Client.CoreV1().Nodes().Patch(z.ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		z.Error(err)
	}
}

// onNode does something with the images that the node holds.
func (z *zenml) onNode(node string, words ...string) {
	z.Helper()
	args := append([]string{"exec", node, "ctr", "-n", "k8s.io", "images"}, words...)
	if out, err := exec.CommandContext(z.ctx, "docker", args...).CombinedOutput(); err != nil {
		z.Errorf("docker %v: %v: %s", args, err, out)
	}
}
