//go:build e2e

package deploy

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestLint(t *testing.T) {
	if said, err := helm(t, "lint", "--strict", "chart/epilogue", "--set", "archive=s3://bucket/logs,namespace=jobs"); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// The Role holds what the daemon does and nothing else. Who adds a right adds the line here, and says in the Role why.
func TestRoleIsExactlyWhatIsUsed(t *testing.T) {
	objects := render(t, "namespace=jobs")
	role := objects["Role"].(*rbacv1.Role)
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch", "patch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
		{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"get", "list", "watch", "patch", "delete"}},
		{APIGroups: []string{"batch"}, Resources: []string{"cronjobs"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"jobs"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list", "watch", "create"}},
	}
	if !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("got rules %+v, want %+v", role.Rules, want)
	}
	binding := objects["RoleBinding"].(*rbacv1.RoleBinding)
	if role.Namespace != "jobs" || binding.Namespace != "jobs" {
		t.Errorf("got Role in %s and binding in %s, want both in the watched namespace", role.Namespace, binding.Namespace)
	}
	if got := binding.Subjects[0]; got.Namespace != "system" || got.Name != objects["ServiceAccount"].(*corev1.ServiceAccount).Name {
		t.Errorf("got subject %+v, want the release's service account", got)
	}
}

// The Leases stand beside the daemon, so that no other namespace has to allow them.
func TestLeaseRoleStandsInTheRelease(t *testing.T) {
	objects := render(t, "namespace=jobs")
	role := objects["Role of Leases"].(*rbacv1.Role)
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create", "get", "list", "watch", "update", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
	}
	if !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("got rules %+v, want %+v", role.Rules, want)
	}
	binding := objects["RoleBinding of Leases"].(*rbacv1.RoleBinding)
	if role.Namespace != "system" || binding.Namespace != "system" || binding.RoleRef.Name != role.Name {
		t.Errorf("got Role in %s and binding in %s to %s, want both in the release's namespace and to %s",
			role.Namespace, binding.Namespace, binding.RoleRef.Name, role.Name)
	}
}

// Outside namespaces the daemon asks two questions about who comes to its API or scrapes it, and none where nobody has
// to be known.
func TestClusterRoleIsForReviews(t *testing.T) {
	objects := render(t, "namespace=jobs")
	role := objects["ClusterRole"].(*rbacv1.ClusterRole)
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
	}
	if !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("got rules %+v, want %+v", role.Rules, want)
	}
	binding := objects["ClusterRoleBinding"].(*rbacv1.ClusterRoleBinding)
	if got := binding.Subjects[0]; binding.RoleRef.Name != role.Name || got.Namespace != "system" || got.Name != objects["ServiceAccount"].(*corev1.ServiceAccount).Name {
		t.Errorf("got a binding of %s to %+v, want of %s to the release's service account", binding.RoleRef.Name, got, role.Name)
	}
	const off, auth = "api.enabled=false", "EPILOGUE_METRICS_AUTH=kubernetes"
	for _, test := range []struct {
		values []string
		want   bool
	}{
		{[]string{off}, false},
		{[]string{"rbac.create=false", "environment." + auth}, false},
		{[]string{off, "environment.EPILOGUE_METRICS_AUTH=none"}, false},
		{[]string{off, "environment." + auth}, true},
		{[]string{off, "secretEnvironment." + auth}, true},
		{[]string{off, "extraArgs[0]=--metrics-auth=kubernetes"}, true},
		{[]string{off, "extraArgs[0]=--metrics-auth", "extraArgs[1]=kubernetes"}, true},
	} {
		objects := render(t, test.values...)
		for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
			if got := objects[kind] != nil; got != test.want {
				t.Errorf("%v: got a %s %v, want %v", test.values, kind, got, test.want)
			}
		}
		if there := objects["ClusterRole"]; test.want && !reflect.DeepEqual(there.(*rbacv1.ClusterRole).Rules, want) {
			t.Errorf("%v: got rules %+v, want %+v", test.values, there.(*rbacv1.ClusterRole).Rules, want)
		}
	}
}

// The one object outside namespaces that the daemon may see says which cluster it is in.
func TestClusterIsKnown(t *testing.T) {
	objects := render(t, "namespace=jobs", "api.enabled=false")
	role := objects["ClusterRole of the cluster"].(*rbacv1.ClusterRole)
	want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}}}
	if !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("got rules %+v, want %+v", role.Rules, want)
	}
	binding := objects["ClusterRoleBinding of the cluster"].(*rbacv1.ClusterRoleBinding)
	if got := binding.Subjects[0]; binding.RoleRef.Name != role.Name || got.Namespace != "system" || got.Name != objects["ServiceAccount"].(*corev1.ServiceAccount).Name {
		t.Errorf("got a binding of %s to %+v, want of %s to the release's service account", binding.RoleRef.Name, got, role.Name)
	}
	for _, off := range []string{"rbac.create=false", "rbac.identity=false"} {
		if objects := render(t, off); objects["ClusterRole of the cluster"] != nil || objects["ClusterRoleBinding of the cluster"] != nil {
			t.Errorf("%s: got a ClusterRole that shows the cluster, want none", off)
		}
	}
}

func TestAPI(t *testing.T) {
	portsOf := func(values ...string) (container, service bool) {
		objects := render(t, values...)
		for _, p := range objects["Deployment"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Ports {
			container = container || p.Name == "api"
		}
		for _, p := range objects["Service"].(*corev1.Service).Spec.Ports {
			service = service || p.Name == "api"
		}
		return container, service
	}
	if container, service := portsOf(); !container || !service {
		t.Errorf("got an api port of the container %v, of the Service %v, want both", container, service)
	}
	if container, service := portsOf("api.enabled=false"); container || service {
		t.Errorf("off: got an api port of the container %v, of the Service %v, want none", container, service)
	}
	spec := render(t, "api.tlsSecret=cert")["Deployment"].(*appsv1.Deployment).Spec.Template.Spec
	mounted := false
	for _, v := range spec.Volumes {
		mounted = mounted || v.Secret != nil && v.Secret.SecretName == "cert"
	}
	if !mounted {
		t.Error("the Secret with the certificate is not mounted")
	}
}

func TestNetworkPolicy(t *testing.T) {
	if render(t)["NetworkPolicy"] != nil {
		t.Error("got a NetworkPolicy, want none unless it is asked for")
	}
	policy := render(t, "networkPolicy.enabled=true", "networkPolicy.apiFrom[0].namespaceSelector.matchLabels.team=ml")["NetworkPolicy"].(*networkingv1.NetworkPolicy)
	got := map[string]int{}
	for _, rule := range policy.Spec.Ingress {
		got[rule.Ports[0].Port.String()] = len(rule.From)
	}
	if want := map[string]int{"health": 0, "api": 2}; !reflect.DeepEqual(got, want) {
		t.Errorf("got sources by port %v, want %v", got, want)
	}
}

// The launcher's rights are there only where it is.
func TestLauncherRights(t *testing.T) {
	usual := render(t, "namespace=jobs")["Role"].(*rbacv1.Role).Rules
	rules := render(t, "namespace=jobs", "launcher.enabled=true", "environment.EPILOGUE_SERVICE_ACCOUNT=runner", "launcher.registrySecret=registry")["Role"].(*rbacv1.Role).Rules
	want := append(slices.Clone(usual),
		rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"create"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: []string{"create"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"registry"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"epilogue-queue"}, Verbs: []string{"get", "update"}},
	)
	if !reflect.DeepEqual(rules, want) {
		t.Errorf("got rules %+v, want %+v", rules, want)
	}
}

func TestReplicas(t *testing.T) {
	spec := render(t, "replicaCount=3")["Deployment"].(*appsv1.Deployment).Spec
	if got, want := *spec.Replicas, int32(3); got != want {
		t.Errorf("got %d replicas, want %d", got, want)
	}
	// A new replica takes over before an old one goes.
	if got, want := spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType; got != want || spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
		t.Errorf("got strategy %+v, want %s with none unavailable", spec.Strategy, want)
	}
}

func TestPodIsRestricted(t *testing.T) {
	spec := render(t)["Deployment"].(*appsv1.Deployment).Spec.Template.Spec
	c := spec.Containers[0]
	checks := []struct {
		name string
		ok   bool
	}{
		{"runs as non-root", *spec.SecurityContext.RunAsNonRoot && *spec.SecurityContext.RunAsUser == 65532},
		{"default seccomp profile", spec.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault},
		{"no privilege escalation", !*c.SecurityContext.AllowPrivilegeEscalation},
		{"read-only root file system", *c.SecurityContext.ReadOnlyRootFilesystem},
		{"no capabilities", reflect.DeepEqual(c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"})},
		{"last words", c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError && c.TerminationMessagePath == ""},
		{"no service links", !*spec.EnableServiceLinks},
		{"bounded spool", !spec.Volumes[0].EmptyDir.SizeLimit.IsZero()},
	}
	for _, check := range checks {
		if !check.ok {
			t.Errorf("%s: got no, want yes", check.name)
		}
	}
}

func TestEnvironment(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   map[string]string
	}{
		{"defaults", nil, map[string]string{
			"EPILOGUE_ARCHIVE": "s3://bucket/logs", "EPILOGUE_NAMESPACE": "system", "EPILOGUE_SHUTDOWN_GRACE": "30s",
			"EPILOGUE_S3_PATH_STYLE": "auto", "EPILOGUE_RELEASE": "epilogue", "EPILOGUE_API_LISTEN": ":8000",
			"EPILOGUE_REPLICA_ACCOUNT": "epilogue",
		}},
		{"own block", []string{"namespace=jobs", "terminationGracePeriodSeconds=60", "s3.endpoint=http://s3:7070", "selector=a=b"},
			map[string]string{
				"EPILOGUE_NAMESPACE": "jobs", "EPILOGUE_SHUTDOWN_GRACE": "50s", "EPILOGUE_S3_ENDPOINT": "http://s3:7070",
				"EPILOGUE_SELECTOR": "a=b",
			}},
		{"launcher", []string{"launcher.enabled=true", "environment.EPILOGUE_SERVICE_ACCOUNT=runner", "launcher.registrySecret=registry"},
			map[string]string{"EPILOGUE_LAUNCHER": "true", "EPILOGUE_REGISTRY_SECRET": "registry"}},
		{"environment wins", []string{"environment.EPILOGUE_SHUTDOWN_GRACE=5s"}, map[string]string{"EPILOGUE_SHUTDOWN_GRACE": "5s"}},
		{"numbers stay", []string{"environment.A=1073741824", "environment.B=0.5", "environment.C=true"},
			map[string]string{"A": "1073741824", "B": "0.5", "C": "true"}},
		{"no API", []string{"api.enabled=false"}, map[string]string{"EPILOGUE_API_LISTEN": "off"}},
		{"certificate", []string{"api.tlsSecret=cert"}, map[string]string{
			"EPILOGUE_API_TLS_CERT_FILE": "/etc/epilogue/tls/tls.crt", "EPILOGUE_API_TLS_KEY_FILE": "/etc/epilogue/tls/tls.key",
		}},
		{"authority", []string{"s3.caSecret.name=ca"}, map[string]string{"EPILOGUE_S3_CA_FILE": "/etc/epilogue/ca/ca.crt"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := map[string]string{}
			for _, e := range render(t, test.values...)["Deployment"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Env {
				got[e.Name] = e.Value
			}
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s: got %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	objects := render(t, "secretEnvironment.TOKEN=1234567890", "s3.existingSecret.name=keys",
		"environmentSecretKeyRefs[0].name=AWS_SESSION_TOKEN", "environmentSecretKeyRefs[0].secretName=s", "environmentSecretKeyRefs[0].secretKey=k")
	secret := objects["Secret"].(*corev1.Secret)
	if got, want := secret.StringData["TOKEN"], "1234567890"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c := objects["Deployment"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0]
	if got, want := c.EnvFrom[0].SecretRef.Name, secret.Name; got != want {
		t.Errorf("got variables from %q, want %q", got, want)
	}
	got := map[string]string{}
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			got[e.Name] = e.ValueFrom.SecretKeyRef.Name + "/" + e.ValueFrom.SecretKeyRef.Key
		}
	}
	want := map[string]string{
		"AWS_ACCESS_KEY_ID": "keys/AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY": "keys/AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN": "s/k",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The other replicas reach this one at the pod's address, unless another one is set.
func TestReplicaAddress(t *testing.T) {
	const name = "EPILOGUE_REPLICA_ADDRESS"
	find := func(values ...string) []corev1.EnvVar {
		env := render(t, values...)["Deployment"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Env
		return slices.DeleteFunc(env, func(e corev1.EnvVar) bool { return e.Name != name })
	}
	got := find()
	if len(got) != 1 || got[0].ValueFrom == nil || got[0].ValueFrom.FieldRef.FieldPath != "status.podIP" {
		t.Errorf("got %+v, want the pod's IP", got)
	}
	got = find("environment." + name + "=a.example")
	if want := []corev1.EnvVar{{Name: name, Value: "a.example"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestWrongValues(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"no archive", "namespace=a", "archive is empty"},
		{"no namespace", "namespace=", "namespace is empty: want the namespace of the Jobs; a release that watches its own has namespace=system"},
		{"not a bucket's URL", "archive=bucket", "archive"},
		{"unknown value", "archives=s3://a", "archives"},
		{"no time to stop", "terminationGracePeriodSeconds=5", "terminationGracePeriodSeconds"},
		{"no account", "serviceAccount.create=false", "serviceAccount.name is empty"},
		{"a mode that is none", "gate.mode=sometimes", "'/gate/mode': value must be one of 'always', 'launched-only', 'never'"},
		{"a misspelt value", "s3.endpiont=http://a", "'/s3': additional properties 'endpiont' not allowed"},
		{"a word for a number", "replicaCount=two", "'/replicaCount': got string, want integer"},
		{"a port that is none", "service.metricsPort=70000", "'/service/metricsPort': maximum: got 70,000, want 65,535"},
		{"a reference without a key", "environmentSecretKeyRefs[0].name=A", "missing properties 'secretName', 'secretKey'"},
		{"a duration without a unit", "serviceMonitor.interval=thirty", "/serviceMonitor/interval"},
		{"a launcher without an account", "launcher.enabled=true", "environment names no service account"},
		{"both monitors", "serviceMonitor.enabled=true,podMonitor.enabled=true", "set one of them to false"},
		{"both bounds", "replicaCount=2,podDisruptionBudget.minAvailable=1", "set either maxUnavailable or minAvailable"},
		{"no bound", "replicaCount=2,podDisruptionBudget.maxUnavailable=", "set either maxUnavailable or minAvailable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			values := []string{"namespace=jobs", test.value}
			if !strings.HasPrefix(test.value, "archive=") && test.name != "no archive" {
				values = append(values, "archive=s3://a/b")
			}
			said, err := template(t, values...)
			if err == nil || !strings.Contains(said, test.want) {
				t.Errorf("got error %v: %s, want one that names %s", err, said, test.want)
			}
		})
	}
}
