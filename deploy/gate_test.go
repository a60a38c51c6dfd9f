//go:build e2e

package deploy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/epilogue-dev/epilogue/mark"
)

// policies are the kinds of admission policies among the objects, sorted.
func policies(objects map[string]runtime.Object) (kinds []string) {
	for key := range maps.Keys(objects) {
		if strings.Contains(key, "AdmissionPolicy") {
			kinds = append(kinds, key)
		}
	}
	slices.Sort(kinds)
	return kinds
}

func TestPolicies(t *testing.T) {
	jobs := []string{"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
	deletes := []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
	both := slices.Concat(jobs, deletes)
	pods := slices.Sorted(slices.Values(append(slices.Clone(both), "MutatingAdmissionPolicy of pods", "MutatingAdmissionPolicyBinding of pods")))
	tests := []struct {
		name   string
		values []string
		want   []string
	}{
		{"a server that has both", []string{withPolicies}, both},
		{"a server that has the refusal alone", []string{"--api-versions=admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"}, deletes},
		{"a server that has them in beta", []string{"--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy"}, nil},
		{"a server that is said to have them", []string{"gate.policies.enabled=true"}, both},
		{"a server that must not", []string{withPolicies, "gate.policies.enabled=false"}, nil},
		{"no gate", []string{withPolicies, "gate.mode=never"}, nil},
		{"a dry run", []string{withPolicies, "dryRun=true"}, nil},
		{"pods, too", []string{withPolicies, "gate.pods.enabled=true"}, pods},
		{"pods, on a server that has none", []string{"gate.pods.enabled=true"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := policies(render(t, test.values...)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A gate that cannot be evaluated must keep nobody from running Jobs or deleting them.
func TestPoliciesFailOpen(t *testing.T) {
	objects := render(t, withPolicies, "namespace=jobs", "gate.pods.enabled=true")
	mutating := objects["MutatingAdmissionPolicy"].(*admissionv1.MutatingAdmissionPolicy)
	pods := objects["MutatingAdmissionPolicy of pods"].(*admissionv1.MutatingAdmissionPolicy)
	validating := objects["ValidatingAdmissionPolicy"].(*admissionv1.ValidatingAdmissionPolicy)
	for name, got := range map[string]*admissionv1.FailurePolicyType{
		"Jobs": mutating.Spec.FailurePolicy, "pods": pods.Spec.FailurePolicy, "deletions": validating.Spec.FailurePolicy,
	} {
		if got == nil || *got != admissionv1.Ignore {
			t.Errorf("%s: got failure policy %v, want %s", name, got, admissionv1.Ignore)
		}
	}
	// Cluster-scoped, so that the release's namespace is in the name.
	if got, want := mutating.Name, "system-epilogue-gate"; got != want {
		t.Errorf("got name %s, want %s", got, want)
	}
	if got := objects["ValidatingAdmissionPolicyBinding"].(*admissionv1.ValidatingAdmissionPolicyBinding).Spec.ValidationActions; !slices.Equal(got, []admissionv1.ValidationAction{admissionv1.Deny}) {
		t.Errorf("got actions %q, want %s", got, admissionv1.Deny)
	}
}

// The policies select what the daemon does.
func TestPolicySelection(t *testing.T) {
	in := func(key string, op metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
		return metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: values}
	}
	launched := in(mark.Kind, metav1.LabelSelectorOpExists)
	tests := []struct {
		name   string
		values []string
		want   []metav1.LabelSelectorRequirement
	}{
		{"every Job", nil, nil},
		{"a label", []string{"selector=a/b=c"}, []metav1.LabelSelectorRequirement{in("a/b", "In", "c")}},
		{"all that kubectl takes", []string{`selector=a==b\, c!=d \,e in (f\, g)\,h notin (i)\,j\,!k`}, []metav1.LabelSelectorRequirement{
			in("a", "In", "b"), in("c", "NotIn", "d"), in("e", "In", "f", "g"), in("h", "NotIn", "i"), in("j", "Exists"), in("k", "DoesNotExist"),
		}},
		{"launched ones", []string{"gate.mode=launched-only"}, []metav1.LabelSelectorRequirement{launched}},
		{"launched ones with a label", []string{"gate.mode=launched-only", "selector=a=b"}, []metav1.LabelSelectorRequirement{in("a", "In", "b"), launched}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects := render(t, append(test.values, withPolicies, "namespace=jobs")...)
			got := objects["MutatingAdmissionPolicyBinding"].(*admissionv1.MutatingAdmissionPolicyBinding).Spec.MatchResources
			if name := got.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]; name != "jobs" {
				t.Errorf("got namespace %q, want jobs", name)
			}
			var terms []metav1.LabelSelectorRequirement
			if got.ObjectSelector != nil {
				terms = got.ObjectSelector.MatchExpressions
			}
			if !reflect.DeepEqual(terms, test.want) {
				t.Errorf("got %+v, want %+v", terms, test.want)
			}
			// What carries the finalizer is ours, whatever its labels.
			deletes := objects["ValidatingAdmissionPolicyBinding"].(*admissionv1.ValidatingAdmissionPolicyBinding).Spec.MatchResources
			if deletes.ObjectSelector != nil || deletes.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "jobs" {
				t.Errorf("got %+v for deletions, want the namespace alone", deletes)
			}
		})
	}
	pods := render(t, withPolicies, "gate.pods.enabled=true", "gate.pods.selector=team=ml", "selector=a=b")["MutatingAdmissionPolicyBinding of pods"].(*admissionv1.MutatingAdmissionPolicyBinding)
	if got, want := pods.Spec.MatchResources.ObjectSelector.MatchExpressions, []metav1.LabelSelectorRequirement{in("team", "In", "ml")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v for pods, want %+v", got, want)
	}
}

// A pod that the daemon does not watch would carry its finalizer for ever.
func TestGateOnPodsSelectsAsTheDaemonDoes(t *testing.T) {
	for _, value := range []string{"selector=a=b", "gate.mode=launched-only"} {
		said, err := template(t, withPolicies, "archive=s3://a/b", "namespace=jobs", "gate.pods.enabled=true", value)
		if err == nil || !strings.Contains(said, "gate.pods.selector is empty") {
			t.Errorf("%s: got error %v: %s, want one that names gate.pods.selector", value, err, said)
		}
	}
}

func TestTTLStaysWhereItIs(t *testing.T) {
	for value, want := range map[string]int{
		"gate.adoptTTL=true": 2, "gate.adoptTTL=false": 1, "environment.EPILOGUE_CLEANUP=false": 1, "environment.EPILOGUE_CLEANUP=true": 2,
	} {
		policy := render(t, withPolicies, value)["MutatingAdmissionPolicy"].(*admissionv1.MutatingAdmissionPolicy)
		if got := len(policy.Spec.Mutations); got != want {
			t.Errorf("%s: got %d mutations, want %d", value, got, want)
		}
	}
}

func TestDaemonFollowsTheGate(t *testing.T) {
	env := map[string]string{}
	for _, e := range render(t, "gate.mode=launched-only", "gate.adoptTTL=false", "dryRun=true")["Deployment"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	for name, want := range map[string]string{"EPILOGUE_GATE": "launched-only", "EPILOGUE_ADOPT_TTL": "false", "EPILOGUE_DRY_RUN": "true"} {
		if got := env[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// The Job of the uninstallation has these rights, and nothing is left of it.
func TestUninstallHook(t *testing.T) {
	objects := renderUninstall(t, withPolicies, "namespace=jobs", "gate.pods.enabled=true")
	for key, object := range objects {
		got := object.(metav1.Object).GetAnnotations()
		if got["helm.sh/hook"] != "pre-delete" || got["helm.sh/hook-delete-policy"] != "before-hook-creation,hook-succeeded" {
			t.Errorf("%s: got annotations %v, want a pre-delete hook that goes when it has succeeded", key, got)
		}
		if weight := got["helm.sh/hook-weight"]; (weight == "0") != (key == "Job") {
			t.Errorf("%s: got weight %s, want the Job last", key, weight)
		}
	}
	rules := func(group, resource string, names []string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names, Verbs: verbs}
	}
	gate := []string{"system-epilogue-gate", "system-epilogue-gate-pods"}
	for key, want := range map[string][]rbacv1.PolicyRule{
		"Role": {rules("batch", "jobs", nil, "list", "patch"), rules("", "pods", nil, "list", "patch")},
		"Role of the daemon": {rules("apps", "deployments/scale", []string{"epilogue"}, "patch"), rules("", "pods", nil, "list"),
			rules("coordination.k8s.io", "leases", nil, "list", "delete")},
		"ClusterRole": {rules("admissionregistration.k8s.io", "mutatingadmissionpolicybindings", gate, "delete")},
	} {
		var got []rbacv1.PolicyRule
		switch role := objects[key].(type) {
		case *rbacv1.Role:
			got = role.Rules
		case *rbacv1.ClusterRole:
			got = role.Rules
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got rules %+v, want %+v", key, got, want)
		}
	}
	if got, want := objects["Role"].(*rbacv1.Role).Namespace+" "+objects["Role of the daemon"].(*rbacv1.Role).Namespace, "jobs system"; got != want {
		t.Errorf("got Roles in %s, want %s", got, want)
	}
}

func TestUninstallJob(t *testing.T) {
	job := renderUninstall(t, withPolicies, "namespace=jobs")["Job"].(*batchv1.Job)
	pod := job.Spec.Template.Spec
	c := pod.Containers[0]
	daemon := render(t)["Deployment"].(*appsv1.Deployment)
	if got, want := c.Image, daemon.Spec.Template.Spec.Containers[0].Image; got != want {
		t.Errorf("got image %s, want the daemon's, %s", got, want)
	}
	want := []string{"uninstall", "--namespace=jobs", "--release=epilogue", "--lease-namespace=system", "--deployment=epilogue",
		"--deployment-pods=app.kubernetes.io/name=epilogue,app.kubernetes.io/instance=epilogue",
		"--policy-bindings=system-epilogue-gate,system-epilogue-gate-pods"}
	if !slices.Equal(c.Args, want) {
		t.Errorf("got arguments %q, want %q", c.Args, want)
	}
	if !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		*c.SecurityContext.AllowPrivilegeEscalation || !reflect.DeepEqual(c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("got %+v and %+v, want the restricted profile", pod.SecurityContext, c.SecurityContext)
	}
	// The selectors of the Deployment and of the Service must not take it for a daemon.
	if got := job.Spec.Template.Labels["app.kubernetes.io/name"]; got == daemon.Spec.Selector.MatchLabels["app.kubernetes.io/name"] {
		t.Errorf("got the name label %s, want another one than the daemon's", got)
	}
	if _, ok := job.Labels["epilogue.dev/uninstall"]; !ok {
		t.Error("got no label epilogue.dev/uninstall, want the one that the policy passes over")
	}
	launching := renderUninstall(t, "launcher.enabled=true", "environment.EPILOGUE_SERVICE_ACCOUNT=runner")
	if rules := launching["Role"].(*rbacv1.Role).Rules; !reflect.DeepEqual(rules[len(rules)-1], rbacv1.PolicyRule{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"epilogue-queue"}, Verbs: []string{"delete"},
	}) || !slices.Contains(launching["Job"].(*batchv1.Job).Spec.Template.Spec.Containers[0].Args, "--queue-lease=epilogue-queue") {
		t.Errorf("got rules %+v, want one for the launcher's Lease, and the argument", rules)
	}
	args := renderUninstall(t)["Job"].(*batchv1.Job).Spec.Template.Spec.Containers[0].Args
	if slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "policy") }) {
		t.Errorf("got arguments %q without policies, want no binding in them", args)
	}
	for _, off := range []string{"uninstall.hook=false", "rbac.create=false"} {
		if got := len(renderUninstall(t, off)); got > 0 {
			t.Errorf("%s: got %d objects, want none", off, got)
		}
	}
}

// Templates cannot read Go.
func TestTemplatesUseTheNamesOfMark(t *testing.T) {
	objects := render(t, withPolicies)
	mutations := objects["MutatingAdmissionPolicy"].(*admissionv1.MutatingAdmissionPolicy).Spec.Mutations
	condition := objects["ValidatingAdmissionPolicy"].(*admissionv1.ValidatingAdmissionPolicy).Spec.MatchConditions[0].Expression
	finalizer := `"` + mark.Finalizer + `"`
	for name, has := range map[string]bool{
		"the finalizer that is put on":    strings.Contains(mutations[0].JSONPatch.Expression, finalizer),
		"the finalizer that is asked for": strings.Contains(condition, finalizer),
		"the annotation of the TTL": strings.Contains(mutations[1].JSONPatch.Expression,
			`"/metadata/annotations/`+strings.ReplaceAll(mark.AdoptedTTL, "/", "~1")+`"`),
	} {
		if !has {
			t.Errorf("%s is not the one of package mark", name)
		}
	}
}

// The daemon and the API server leave out the same Jobs: what one does not hold the other does not either.
func TestPolicyLeavesOutWhatTheDaemonDoes(t *testing.T) {
	policy := render(t, withPolicies)["MutatingAdmissionPolicy"].(*admissionv1.MutatingAdmissionPolicy)
	conditions := map[string]string{}
	for _, c := range policy.Spec.MatchConditions {
		conditions[c.Name] = c.Expression
	}
	want := func(name, field string, words []string) {
		for _, word := range words {
			if want := `!("` + word + `" in object.metadata.` + field + `)`; !strings.Contains(conditions[name], want) {
				t.Errorf("got condition %s %q, want %s in it", name, conditions[name], want)
			}
		}
	}
	want("not-applied", "annotations", mark.Applied)
	want("not-applied", "labels", mark.AppliedLabels)
	want("not-released", "annotations", []string{mark.Released})
	want("not-by-its-pods", "annotations", []string{mark.Gate})
	if word := `!= "` + mark.GatePods + `"`; !strings.Contains(conditions["not-by-its-pods"], word) {
		t.Errorf("got condition %q, want %s in it", conditions["not-by-its-pods"], word)
	}
}
