//go:build integration

package integration

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/epilogue-dev/epilogue/mark"
)

// TestPolicyHolds: the API server puts the gate on Jobs as they are created, and not on those of which the daemon holds
// the pods.
func TestPolicyHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	r.installPolicy()
	yes := true
	annotated := func(key, value string) func(*batchv1.Job) {
		return func(j *batchv1.Job) { j.Annotations = map[string]string{key: value} }
	}
	ofCronJob := func(j *batchv1.Job) {
		annotated(mark.HelmRelease, "web")(j)
		j.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", UID: "cron-uid", Controller: &yes}}
	}
	for _, test := range []struct {
		name   string
		change func(*batchv1.Job)
		held   bool
	}{
		{"as any other", func(*batchv1.Job) {}, true},
		{"with annotations of its own", annotated("example.com/team", "web"), true},
		{"a hook of Helm", annotated(mark.HelmHook, "pre-upgrade"), false},
		{"a hook of Argo CD", annotated(mark.ArgoHook, "PreSync"), false},
		{"of a release of Helm", annotated(mark.HelmRelease, "web"), false},
		{"of Argo CD", annotated(mark.ArgoTracking, "web:batch/Job:jobs/job"), false},
		{"of Flux", func(j *batchv1.Job) { j.Labels = map[string]string{mark.FluxKustomization: "web"} }, false},
		{"of a CronJob, with such a mark", ofCronJob, true},
		{"by its pods", annotated(mark.Gate, mark.GatePods), false},
		{"by another word", annotated(mark.Gate, "job"), true},
		{"released", annotated(mark.Released, "by its maker"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := r.bornHeld(test.change); got != test.held {
				t.Errorf("got the gate: %t, want %t", got, test.held)
			}
		})
	}
}

// bornHeld lets the API server do all but keep a Job, and reports whether it has the gate.
func (r *rig) bornHeld(change func(*batchv1.Job)) bool {
	r.t.Helper()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "born"}, Spec: batchv1.JobSpec{Template: r.job.Spec.Template}}
	job.Spec.Template.Labels = nil // those of the other Job's controller
	change(job)
	made, err := r.set.plane.Client().BatchV1().Jobs(r.ns).Create(r.ctx, job, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	must(r.t, err)
	return slices.Contains(made.Finalizers, mark.Finalizer)
}

// installPolicy installs the chart's policy for the rig's namespace, and waits until the API server heeds it.
func (r *rig) installPolicy() {
	r.t.Helper()
	text := renderChart(r.t, "--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy", "--show-only=templates/gate.yaml",
		"--set", "fullnameOverride="+r.ns+",archive=s3://bucket/logs,namespace="+r.ns)
	policies := r.set.plane.Client().AdmissionregistrationV1()
	for documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		must(r.t, err)
		var kind metav1.TypeMeta
		must(r.t, yaml.Unmarshal(document, &kind))
		switch kind.Kind {
		case "MutatingAdmissionPolicy":
			var policy admissionv1.MutatingAdmissionPolicy
			must(r.t, yaml.Unmarshal(document, &policy))
			_, err = policies.MutatingAdmissionPolicies().Create(r.ctx, &policy, metav1.CreateOptions{})
		case "MutatingAdmissionPolicyBinding":
			var binding admissionv1.MutatingAdmissionPolicyBinding
			must(r.t, yaml.Unmarshal(document, &binding))
			_, err = policies.MutatingAdmissionPolicyBindings().Create(r.ctx, &binding, metav1.CreateOptions{})
		}
		must(r.t, err)
	}
	r.await("the policy", func() bool { return r.bornHeld(func(*batchv1.Job) {}) })
}
