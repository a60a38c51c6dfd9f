//go:build integration

package integration

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/rights"
)

// TestTry has a trial work for an account that may get, list and watch what the table names, and nothing else: without
// the rights it says which ones are missing, with them it shows and keeps a whole log, and it leaves nothing in the
// namespace.
func TestTry(t *testing.T) {
	r := newRig(t, setting{})
	token, err := r.set.plane.ServiceAccountToken(r.ctx, r.ns, "guest")
	must(t, err)
	p := &process{rig: r, program: buildDaemon(t), token: token}
	kubeconfig := p.kubeconfig()
	try := func() *exec.Cmd {
		cmd := exec.CommandContext(r.ctx, p.program, "try", "--kubeconfig", kubeconfig, "-n", r.ns, "--archive", t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	said, err := try().CombinedOutput()
	if err == nil || !strings.Contains(string(said), "missing rights in namespace "+r.ns+": get pods (") {
		t.Errorf("got %v and %q without rights, want which ones are missing", err, said)
	}
	p.allow("guest", rights.Watching)

	pod := p.pod(kubelet.Spec{Name: "tried"})
	c := pod.Start("main")
	c.Write(time.Now(), "one line")
	cmd := try()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines, screen := bufio.NewScanner(out), ""
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			screen += lines.Text() + "\n"
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("got no line with %q; on the screen was\n%s", text, screen)
	}
	await("[job/main] one line")
	c.Write(time.Now(), "the last one")
	c.Exit(0)
	await("[job/main] the last one")
	await("* job/main: complete, 2 lines")
	must(t, cmd.Process.Signal(syscall.SIGINT))
	await("    zstd -dc ")
	for lines.Scan() {
		screen += lines.Text() + "\n"
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v after Ctrl-C, want exit code 0; on the screen was\n%s", err, screen)
	}
	p.untouched()
}

// allow gives an account rights in the namespace.
func (p *process) allow(account string, table []rights.Right) {
	p.t.Helper()
	var rules []rbacv1.PolicyRule
	for _, right := range table {
		resource := right.Resource
		if right.Subresource != "" {
			resource += "/" + right.Subresource
		}
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{right.Group}, Resources: []string{resource}, Verbs: []string{right.Verb}})
	}
	rbac, name := p.set.plane.Client().RbacV1(), metav1.ObjectMeta{Name: account}
	_, err := rbac.Roles(p.ns).Create(p.ctx, &rbacv1.Role{ObjectMeta: name, Rules: rules}, metav1.CreateOptions{})
	must(p.t, err)
	_, err = rbac.RoleBindings(p.ns).Create(p.ctx, &rbacv1.RoleBinding{
		ObjectMeta: name, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: p.ns, Name: account}},
	}, metav1.CreateOptions{})
	must(p.t, err)
}

// untouched: the Job is as it was made, and there is no Lease and no Event.
func (p *process) untouched() {
	p.t.Helper()
	client := p.set.plane.Client()
	job, err := client.BatchV1().Jobs(p.ns).Get(p.ctx, p.job.Name, metav1.GetOptions{})
	must(p.t, err)
	if job.ResourceVersion != p.job.ResourceVersion {
		p.t.Errorf("got the Job in version %s, want %s: nobody may have written to it", job.ResourceVersion, p.job.ResourceVersion)
	}
	leases, err := client.CoordinationV1().Leases(p.ns).List(p.ctx, metav1.ListOptions{})
	must(p.t, err)
	events, err := client.CoreV1().Events(p.ns).List(p.ctx, metav1.ListOptions{})
	must(p.t, err)
	if len(leases.Items)+len(events.Items) > 0 {
		p.t.Errorf("got %d Leases and %d Events, want none", len(leases.Items), len(events.Items))
	}
}
