//go:build integration

package integration

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/epilogue-dev/epilogue/cli"
	"github.com/epilogue-dev/epilogue/mark"
)

const neverExpires = "eyJhbGciOi.never-expires"

// desk is a namespace with a Job, a pod of it and a pod that looks like the daemon's, and people who ask about them.
type desk struct {
	t          *testing.T
	ctx        context.Context
	ns         string
	kubeconfig string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	d := &desk{t: t, ctx: ctx, ns: plane.Namespace(t), kubeconfig: plane.KubeconfigFile(t)}
	d.job()
	d.daemon()
	return d
}

// run calls the program as somebody; "" is the administrator.
func (d *desk) run(as string, args ...string) (out string, code int) {
	d.t.Helper()
	args = append(args, "--kubeconfig", d.kubeconfig, "-n", d.ns)
	if as != "" {
		args = append(args, "--as", as, "--as-group", "system:authenticated")
	}
	var said bytes.Buffer
	code = cli.Run(d.ctx, genericiooptions.IOStreams{In: http.NoBody, Out: &said, ErrOut: &said}, "v1", args)
	return said.String(), code
}

func (d *desk) job() {
	d.t.Helper()
	template := corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
		Name: "main", Image: "none", Args: []string{"--run_id", "11111111-2222-3333-4444-555555555555", "--key", neverExpires},
		Env: []corev1.EnvVar{{Name: "ZENML_STORE_API_TOKEN", Value: neverExpires}},
	}}}}
	job, err := plane.Client().BatchV1().Jobs(d.ns).Create(d.ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "run", Labels: map[string]string{"app": "zenml"}, Finalizers: []string{mark.Finalizer}},
		Spec:       batchv1.JobSpec{Template: template},
	}, metav1.CreateOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	d.pod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "run-x", OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
	}, Spec: template.Spec})
}

func (d *desk) pod(p *corev1.Pod) *corev1.Pod {
	d.t.Helper()
	made, err := plane.Client().CoreV1().Pods(d.ns).Create(d.ctx, p, metav1.CreateOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	return made
}

// daemon makes a pod that is ready, of an account that exists.
func (d *desk) daemon() {
	d.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "keeper"}}
	if _, err := plane.Client().CoreV1().ServiceAccounts(d.ns).Create(d.ctx, account, metav1.CreateOptions{}); err != nil {
		d.t.Fatal(err)
	}
	p := d.pod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "epilogue-1", Labels: map[string]string{
			"app.kubernetes.io/name": "epilogue", "app.kubernetes.io/version": "v1",
		}},
		Spec: corev1.PodSpec{ServiceAccountName: "keeper", Containers: []corev1.Container{{Name: "epilogue", Image: "none"}}},
	})
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if _, err := plane.Client().CoreV1().Pods(d.ns).UpdateStatus(d.ctx, p, metav1.UpdateOptions{}); err != nil {
		d.t.Fatal(err)
	}
}

// allow gives somebody rights in the namespace.
func (d *desk) allow(name string, who rbacv1.Subject, rules ...rbacv1.PolicyRule) {
	d.t.Helper()
	meta := metav1.ObjectMeta{Name: name}
	rbac := plane.Client().RbacV1()
	if _, err := rbac.Roles(d.ns).Create(d.ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{}); err != nil {
		d.t.Fatal(err)
	}
	_, err := rbac.RoleBindings(d.ns).Create(d.ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{who},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
	}, metav1.CreateOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
}

func rule(group, resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
}

// says checks what the program said, and its exit code.
func says(t *testing.T, out string, code, want int, parts ...string) {
	t.Helper()
	if code != want {
		t.Errorf("got exit code %d, want %d, of\n%s", code, want, out)
	}
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("got\n%swant %q in it", out, part)
		}
	}
	if strings.Contains(out, neverExpires) {
		t.Errorf("got\n%swant nothing of an environment or of an argument's value", out)
	}
}

// TestDoctor asks a real API server about rights: the fake one gives all of them.
func TestDoctor(t *testing.T) {
	d := newDesk(t)
	archive := "--archive=file://" + t.TempDir()
	keeper := rbacv1.Subject{Kind: "ServiceAccount", Name: "keeper", Namespace: d.ns}
	carol := rbacv1.Subject{Kind: "User", Name: "carol", APIGroup: rbacv1.GroupName}

	d.allow("most", keeper,
		rule("", "pods", "get", "list", "watch"), rule("", "pods/log", "get"), rule("batch", "jobs", "list", "watch"), rule("", "events", "list"),
		rule("coordination.k8s.io", "leases", "create", "get", "list", "watch", "update", "delete"))
	out, code := d.run("", "doctor", archive)
	says(t, out, code, 5, "lacks, in "+d.ns+": watch events", "ok    you may get pods/log", "clock agrees", "ok    1 Jobs of",
		"ok    the store refuses to replace", "1 of 1 pods of the daemon are ready")

	d.allow("rest", keeper, rule("", "events", "watch"))
	out, code = d.run("", "doctor", archive)
	says(t, out, code, 0, "ok    the daemon's service account keeper may get pods, in "+d.ns)

	out, code = d.run("carol", "doctor", "--daemon-namespace", d.ns)
	says(t, out, code, 0, "could not be looked for", "you may not get pods/log in "+d.ns, "you may not create pods/portforward", "whether Jobs hang on the gate is not known")
	d.allow("carol", carol, rule("", "pods", "list"), rule("", "pods/log", "get"))
	out, code = d.run("carol", "doctor")
	says(t, out, code, 0, "ok    you may get pods/log", "you may not ask what the daemon's service account may do")
}

func TestDiscover(t *testing.T) {
	d := newDesk(t)
	out, code := d.run("", "discover", "-l", "app=zenml")
	says(t, out, code, 0, "1 Jobs, 2 pods; 1 Jobs have the arguments", "--run_id", "<uuid>", "keeper")
	out, code = d.run("dave", "discover")
	says(t, out, code, 1, `User "dave" cannot list resource "jobs"`)
}

// TestReleaseByHand: the finalizer goes, and with it what waits for it.
func TestReleaseByHand(t *testing.T) {
	d := newDesk(t)
	jobs := plane.Client().BatchV1().Jobs(d.ns)
	background := metav1.DeletePropagationBackground
	if err := jobs.Delete(d.ctx, "run", metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.Get(d.ctx, "run", metav1.GetOptions{}); err != nil {
		t.Fatalf("got %v, want that the gate holds the Job", err)
	}
	out, code := d.run("", "release", "other")
	says(t, out, code, 3, "other")
	out, code = d.run("", "release", "run", "--dry-run")
	says(t, out, code, 0, "job/run would be released")
	out, code = d.run("", "release", "job/run")
	says(t, out, code, 0, "job/run released; its logs are not archived")
	if _, err := jobs.Get(d.ctx, "run", metav1.GetOptions{}); err == nil {
		t.Error("got the Job, want that it is gone")
	}
}
