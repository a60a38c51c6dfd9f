//go:build e2e

package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/epilogue-dev/epilogue/mark"
)

// everything sets every value that changes what is rendered.
const everything = "--values=testdata/everything.yaml"

func deployment(t *testing.T, values ...string) *appsv1.Deployment {
	t.Helper()
	return render(t, values...)["Deployment"].(*appsv1.Deployment)
}

// one returns the value, and fails where there is not exactly one that is meant.
func one[T any](t *testing.T, all []T, meant func(T) bool) T {
	t.Helper()
	found := slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !meant(v) })
	if len(found) != 1 {
		t.Fatalf("got %d of %+v, want one", len(found), all)
	}
	return found[0]
}

// What operators set on a pod arrives where Kubernetes reads it.
func TestPodValues(t *testing.T) {
	d := deployment(t, everything, "namespace=jobs")
	pod := d.Spec.Template
	container := one(t, pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "epilogue" })
	selected := metav1.LabelSelector{MatchLabels: d.Spec.Selector.MatchLabels}
	checks := []struct {
		name      string
		got, want any
	}{
		{"deploymentAnnotations", d.Annotations["team"], "ml"},
		{"revisionHistoryLimit", *d.Spec.RevisionHistoryLimit, int32(2)},
		{"commonLabels", d.Labels["cost-center"] + pod.Labels["cost-center"], "1717"},
		{"namespace", pod.Labels[mark.Watches], "jobs"},
		{"podLabels", pod.Labels["azure.workload.identity/use"], "true"},
		{"podAnnotations", pod.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"], "true"},
		{"priorityClassName", pod.Spec.PriorityClassName, "system-cluster-critical"},
		{"nodeSelector", pod.Spec.NodeSelector, map[string]string{"kubernetes.io/arch": "arm64"}},
		{"tolerations", pod.Spec.Tolerations, []corev1.Toleration{{Key: "node-pool", Operator: corev1.TolerationOpEqual, Value: "zenml-pool", Effect: corev1.TaintEffectNoSchedule}}},
		{"affinity", pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm.TopologyKey, "kubernetes.io/hostname"},
		{"topologySpreadConstraints", pod.Spec.TopologySpreadConstraints, []corev1.TopologySpreadConstraint{
			{MaxSkew: 1, TopologyKey: "topology.kubernetes.io/zone", WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: &selected},
			{MaxSkew: 2, TopologyKey: "kubernetes.io/hostname", WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}},
		}},
		{"dnsPolicy", pod.Spec.DNSPolicy, corev1.DNSClusterFirst},
		{"dnsConfig", *pod.Spec.DNSConfig.Options[0].Value, "2"},
		{"hostAliases", pod.Spec.HostAliases[0], corev1.HostAlias{IP: "10.0.0.7", Hostnames: []string{"s3.internal"}}},
		{"imagePullSecrets", pod.Spec.ImagePullSecrets, []corev1.LocalObjectReference{{Name: "registry"}}},
		{"image.digest", container.Image, "registry.example.com/epilogue@sha256:" + strings.Repeat("0a", 32)},
		{"extraArgs", container.Args, []string{"--log-level=debug"}},
		{"extraVolumeMounts", one(t, container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "more" }).MountPath, "/more"},
		{"extraVolumes", one(t, pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "more" }).ConfigMap.Name, "more"},
		{"initContainers", pod.Spec.InitContainers[0].Name, "first"},
		{"extraContainers", pod.Spec.Containers[1].Name, "beside"},
		{"terminationGracePeriodSeconds", *pod.Spec.TerminationGracePeriodSeconds, int64(90)},
	}
	for _, check := range checks {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%s: got %+v, want %+v", check.name, check.got, check.want)
		}
	}
}

// IRSA is an annotation, and EKS Pod Identity nothing at all: no keys may be named then, for they would win over the
// role.
func TestIdentityOnAWS(t *testing.T) {
	objects := render(t, `serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::111122223333:role/epilogue`, "serviceAccount.labels.team=ml")
	account := objects["ServiceAccount"].(*corev1.ServiceAccount)
	if got, want := account.Annotations["eks.amazonaws.com/role-arn"], "arn:aws:iam::111122223333:role/epilogue"; got != want {
		t.Errorf("got role %q, want %q", got, want)
	}
	if got := account.Labels["team"]; got != "ml" {
		t.Errorf("got label %q, want ml", got)
	}
	spec := objects["Deployment"].(*appsv1.Deployment).Spec.Template.Spec
	if spec.ServiceAccountName != account.Name {
		t.Errorf("got service account %s, want %s", spec.ServiceAccountName, account.Name)
	}
	// The webhook of either mounts its token for this group.
	if got := spec.SecurityContext.FSGroup; got == nil || *got != 65532 {
		t.Errorf("got fsGroup %v, want 65532", got)
	}
	for _, e := range spec.Containers[0].Env {
		if strings.HasPrefix(e.Name, "AWS_") {
			t.Errorf("got variable %s, want none of the chain's", e.Name)
		}
	}
	existing := render(t, "serviceAccount.create=false", "serviceAccount.name=there")
	if got := existing["Deployment"].(*appsv1.Deployment).Spec.Template.Spec.ServiceAccountName; got != "there" || existing["ServiceAccount"] != nil {
		t.Errorf("got account %s and %v, want the one that exists and none made", got, existing["ServiceAccount"])
	}
}

func TestPodDisruptionBudget(t *testing.T) {
	for _, value := range []string{"replicaCount=1", "replicaCount=2,podDisruptionBudget.enabled=false"} {
		if got := render(t, value)["PodDisruptionBudget"]; got != nil {
			t.Errorf("%s: got %+v, want none", value, got)
		}
	}
	tests := []struct {
		values   string
		max, min *intstr.IntOrString
	}{
		{"replicaCount=2", new(intstr.FromInt32(1)), nil},
		{"replicaCount=4,podDisruptionBudget.maxUnavailable=50%", new(intstr.FromString("50%")), nil},
		{"replicaCount=4,podDisruptionBudget.maxUnavailable=,podDisruptionBudget.minAvailable=3", nil, new(intstr.FromInt32(3))},
	}
	for _, test := range tests {
		objects := render(t, test.values)
		spec := objects["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget).Spec
		if !reflect.DeepEqual(spec.Selector, objects["Deployment"].(*appsv1.Deployment).Spec.Selector) {
			t.Errorf("%s: got selector %v, want the Deployment's", test.values, spec.Selector)
		}
		if !reflect.DeepEqual(spec.MaxUnavailable, test.max) || !reflect.DeepEqual(spec.MinAvailable, test.min) {
			t.Errorf("%s: got %v and %v, want %v and %v", test.values, spec.MaxUnavailable, spec.MinAvailable, test.max, test.min)
		}
	}
}

func TestEgress(t *testing.T) {
	policy := render(t, "networkPolicy.enabled=true")["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec
	if !slices.Equal(policy.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) || policy.Egress != nil {
		t.Errorf("got types %v and %v, want the way out open", policy.PolicyTypes, policy.Egress)
	}
	policy = render(t, everything)["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec
	if !slices.Contains(policy.PolicyTypes, networkingv1.PolicyTypeEgress) || len(policy.Egress) != 1 || policy.Egress[0].Ports[0].Port.IntValue() != 443 {
		t.Errorf("got types %v and %v, want what networkPolicy.egress says", policy.PolicyTypes, policy.Egress)
	}
}

func TestMonitors(t *testing.T) {
	for _, kind := range []string{"ServiceMonitor", "PodMonitor"} {
		if render(t)[kind] != nil {
			t.Errorf("got a %s, want none unless it is asked for", kind)
		}
	}
	objects := render(t, everything)
	service := objects["ServiceMonitor"].(*monitoringv1.ServiceMonitor)
	checkMonitor(t, service, objects["Service"].(*corev1.Service).Labels, service.Spec.Selector, service.Spec.NamespaceSelector, service.Spec.NativeHistogramConfig)
	checkEndpoint(t, service.Spec.Endpoints)
	objects = render(t, everything, "serviceMonitor.enabled=false", "podMonitor.enabled=true")
	pod, template := objects["PodMonitor"].(*monitoringv1.PodMonitor), objects["Deployment"].(*appsv1.Deployment).Spec.Template
	checkMonitor(t, pod, template.Labels, pod.Spec.Selector, pod.Spec.NamespaceSelector, pod.Spec.NativeHistogramConfig)
	checkEndpoint(t, pod.Spec.PodMetricsEndpoints)
	one(t, template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == "metrics" })
	one(t, objects["Service"].(*corev1.Service).Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == "metrics" })
}

func checkEndpoint(t *testing.T, endpoints any) {
	t.Helper()
	got, err := json.Marshal(endpoints)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"port":"metrics","path":"/metrics","scheme":"https","interval":"30s","scrapeTimeout":"10s","honorLabels":true,` +
		`"metricRelabelings":[{"sourceLabels":["__name__"],"regex":"go_.*","action":"drop"}],` +
		`"relabelings":[{"regex":"pod","action":"labeldrop"}],"tlsConfig":{"ca":{},"cert":{},"insecureSkipVerify":true}}]`
	if !sameJSON(t, string(got), want) {
		t.Errorf("got endpoints %s, want %s", got, want)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var values [2]any
	for i, text := range []string{a, b} {
		if err := json.Unmarshal([]byte(text), &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

// checkMonitor sees that a Prometheus finds the monitor, and the monitor what has these labels.
func checkMonitor(t *testing.T, monitor metav1.Object, labels map[string]string, by metav1.LabelSelector, in monitoringv1.NamespaceSelector, native monitoringv1.NativeHistogramConfig) {
	t.Helper()
	if got := monitor.GetLabels()["release"]; got != "prometheus" {
		t.Errorf("got label release %q, want prometheus", got)
	}
	if !slices.Equal(in.MatchNames, []string{"system"}) || native.ScrapeNativeHistograms == nil || !*native.ScrapeNativeHistograms {
		t.Errorf("got %+v and %+v, want the release's namespace and native histograms", in, native)
	}
	if selector, err := metav1.LabelSelectorAsSelector(&by); err != nil || selector.Empty() || !selector.Matches(klabels.Set(labels)) {
		t.Errorf("got selector %v and error %v, want one of %v", selector, err, labels)
	}
}

func TestService(t *testing.T) {
	service := render(t, everything)["Service"].(*corev1.Service)
	ports := map[string]int32{}
	for _, p := range service.Spec.Ports {
		ports[p.Name] = p.Port
	}
	if want := map[string]int32{"health": 81, "metrics": 82, "api": 83}; !reflect.DeepEqual(ports, want) {
		t.Errorf("got ports %v, want %v", ports, want)
	}
	if service.Spec.Type != corev1.ServiceTypeNodePort || service.Labels["team"] != "ml" || service.Annotations["team"] != "ml" {
		t.Errorf("got %+v, want type NodePort, with label and annotation", service)
	}
}

// They are templates, too.
func TestExtraObjects(t *testing.T) {
	extra := render(t, everything)["ResourceQuota"].(*corev1.ResourceQuota)
	if got, want := extra.Name+" "+extra.Spec.Hard.Pods().String(), "epilogue-more 3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is written for people after an installation names what they need next.
func TestNotes(t *testing.T) {
	notes := func(values ...string) string {
		args := []string{"install", "epilogue", "chart/epilogue", "-n", "system", "--dry-run=client", "--set", "archive=s3://a/b,namespace=jobs"}
		for _, v := range values {
			args = append(args, "--set", v)
		}
		text, err := helm(t, args...)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		_, text, _ = strings.Cut(text, "NOTES:")
		return text
	}
	tests := []struct {
		value string
		want  []string
	}{
		{"dryRun=false", []string{
			"of Jobs in namespace jobs to s3://a/b", "kubectl -n system rollout status deployment/epilogue", "kubectl epilogue list -n jobs",
			"ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE", "service account epilogue", "s3:PutObject",
		}},
		{"dryRun=true", []string{"dryRun is on"}},
		{"gate.mode=never", []string{"The gate is off"}},
		{"uninstall.hook=false", []string{"Before helm uninstall, run epilogue uninstall by hand"}},
		{"replicaCount=0", []string{"replicaCount is 0"}},
		{"namespace=system", []string{"WARNING: the daemon stands in the namespace of the Jobs", "--set namespace=system"}},
	}
	for _, test := range tests {
		got := notes(test.value)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got\n%s\nwant %q in it", test.value, got, want)
			}
		}
	}
	if got := notes("dryRun=false"); strings.Contains(got, "WARNING") {
		t.Errorf("got\n%s\nwant no warning of one namespace where there are two", got)
	}
	if got := notes("s3.existingSecret.name=keys"); strings.Contains(got, "s3:PutObject") {
		t.Errorf("got\n%s\nwant no word of a role where keys are named", got)
	}
}

// The values of the examples are taken as they are.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d examples and error %v, want some", len(files), err)
	}
	for _, file := range files {
		if said, err := template(t, fmt.Sprintf("--values=%s", file)); err != nil {
			t.Errorf("%s: %v: %s", file, err, said)
		}
	}
}

// A template that nothing renders is tested by nothing.
func TestEverythingRendersEveryTemplate(t *testing.T) {
	text, err := template(t, everything, withPolicies, "archive=s3://a/b")
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	files, err := os.ReadDir("chart/epilogue/templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".yaml") && !strings.Contains(text, "# Source: epilogue/templates/"+f.Name()+"\n") {
			t.Errorf("%s: renders nothing", f.Name())
		}
	}
}
