//go:build integration

package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/rights"
)

// What must not be in any output, wherever it comes from.
const (
	secretOfPod      = "value-of-a-pods-environment"
	secretOfTemplate = "value-of-a-templates-environment"
	secretOfCaller   = "token-of-a-caller"
)

// process is the program itself with a service account of its own.
type process struct {
	*rig
	program, token  string
	health, metrics string
	api             string
	store           *proxy
	gateway         *gateway.Gateway
	flags           []string // besides the usual ones
}

// TestProcess: the program itself starts without rights, then with just those of the table, works, and stops while its
// store does not answer. All that it says is in one form, and holds no secret, at the most talkative level.
func TestProcess(t *testing.T) {
	p := newProcess(t)
	said := p.withoutRights()
	p.give()
	text := p.work()
	p.wellFormed(text)
	for name, secret := range map[string]string{
		"pod": secretOfPod, "template": secretOfTemplate, "caller": secretOfCaller, "service account": p.token,
		"store": os.Getenv("AWS_SECRET_ACCESS_KEY"),
	} {
		if secret == "" || strings.Contains(said+text, secret) {
			t.Errorf("got the secret of the %s (%q) in the output, want it nowhere", name, secret)
		}
	}
}

// newProcess makes one whose account may do nothing yet.
func newProcess(t *testing.T) *process {
	t.Helper()
	g := gateway.Start(t)
	r := newRig(t, setting{store: openGateway(t, g)})
	token, err := r.set.plane.ServiceAccountToken(r.ctx, r.ns, "keeper")
	must(t, err)
	return &process{
		rig: r, program: buildDaemon(t), token: token, health: address(t), metrics: address(t), api: address(t),
		store: newProxy(t, strings.TrimPrefix(g.Endpoint, "http://")), gateway: g,
	}
}

func (p *process) command() (*exec.Cmd, *spoken) {
	p.t.Helper()
	said := &spoken{}
	template := fmt.Sprintf(`{"spec":{"containers":[{"name":"runner","env":[{"name":"A","value":%q}]}]}}`, secretOfTemplate)
	cmd := exec.Command(p.program,
		"--kubeconfig", p.kubeconfig(), "--namespace", p.ns, "--lease-namespace", p.ns, "--replica", "one", "--journal-interval", "1s",
		"--flush-interval", "100ms", "--archive", "s3://"+p.gateway.Bucket, "--s3-endpoint", "http://"+p.store.address(), "--s3-region", p.gateway.Region,
		"--store-timeout", "5s", "--spool-dir", filepath.Join(p.t.TempDir(), "spool"), "--api-listen", p.api, "--launcher=false", "--pod-template", template,
		"--health-listen", p.health, "--metrics-listen", p.metrics, "--log-level", "debug", "--shutdown-grace", "6s")
	cmd.Args = append(cmd.Args, p.flags...)
	cmd.Stderr, cmd.Stdout = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}
		if text := said.String(); p.t.Failed() {
			p.t.Logf("it said:\n%s", text[max(0, len(text)-6000):])
		}
	})
	return cmd, said
}

// kubeconfig has the account's token in the place of the administrator's certificate.
func (p *process) kubeconfig() string {
	p.t.Helper()
	admin := p.set.plane.RESTConfig()
	path := filepath.Join(p.t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
  clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: u, user: {token: %q}}]}`,
		admin.Host, base64.StdEncoding.EncodeToString(admin.CAData), p.token)
	must(p.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// withoutRights: every one that is missing is named, and the program ends.
func (p *process) withoutRights() string {
	p.t.Helper()
	cmd, said := p.command()
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 4 {
		p.t.Fatalf("got %v without any right, want exit code 4", err)
	}
	for _, right := range slices.Concat(rights.Watching, rights.Sharing, rights.Holding, rights.Deleting) {
		if !strings.Contains(said.String(), right.String()+" in "+p.ns) {
			p.t.Errorf("got no word of %q, want every missing right", right)
		}
	}
	for _, right := range rights.Serving {
		if !strings.Contains(said.String(), right.String()+" in the cluster") {
			p.t.Errorf("got no word of %q, want every missing right", right)
		}
	}
	return said.String()
}

// give gives the account the table's rights, but for one that the daemon can do without: to let somebody into its
// API.
func (p *process) give() {
	p.t.Helper()
	var rules []rbacv1.PolicyRule
	for _, right := range slices.Concat(rights.Watching, rights.Sharing, rights.Holding, rights.Ending(p.ns), rights.Deleting) {
		resource := right.Resource
		if right.Subresource != "" {
			resource += "/" + right.Subresource
		}
		rule := rbacv1.PolicyRule{APIGroups: []string{right.Group}, Resources: []string{resource}, Verbs: []string{right.Verb}}
		if right.Name != "" {
			rule.ResourceNames = []string{right.Name}
		}
		rules = append(rules, rule)
	}
	rbac, name := p.set.plane.Client().RbacV1(), metav1.ObjectMeta{Name: "keeper"}
	_, err := rbac.Roles(p.ns).Create(p.ctx, &rbacv1.Role{ObjectMeta: name, Rules: rules}, metav1.CreateOptions{})
	must(p.t, err)
	_, err = rbac.RoleBindings(p.ns).Create(p.ctx, &rbacv1.RoleBinding{
		ObjectMeta: name, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "keeper"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: p.ns, Name: "keeper"}},
	}, metav1.CreateOptions{})
	must(p.t, err)
}

// work lets it keep a whole log and half of another, answer a caller whom nobody knows, and stop.
func (p *process) work() string {
	p.t.Helper()
	cmd, said := p.command()
	must(p.t, cmd.Start())
	p.await("it to be ready", func() bool { _, code := p.ask(p.health, "/readyz"); return code == http.StatusOK })
	pod, whole := p.start("whole")
	whole.Exit(0)
	if record := p.proven(pod, whole); record.Verdict != archive.Complete {
		p.t.Errorf("got verdict %s, want %s", record.Verdict, archive.Complete)
	}
	_, open := p.start("open")
	p.followed(open)
	if _, code := p.ask(p.api, "/api/v1/namespaces/"+p.ns+"/jobs"); code == http.StatusOK {
		p.t.Errorf("got status %d for a token that nobody knows", code)
	}
	p.stop(cmd, said)
	return said.String()
}

// stop: it is not ready from the signal on, waits no longer than its deadline for a store that is gone, and gives its
// Lease up.
func (p *process) stop(cmd *exec.Cmd, said *spoken) {
	p.t.Helper()
	p.store.cut()
	must(p.t, cmd.Process.Signal(syscall.SIGTERM))
	p.await("it to be unready", func() bool {
		text, code := p.ask(p.health, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(text, "stopping")
	})
	if err := cmd.Wait(); err != nil {
		p.t.Errorf("got %v after SIGTERM, want exit code 0", err)
	}
	for _, part := range []string{`"msg":"rights are missing"`, "create tokenreviews.authentication.k8s.io in the cluster", `"msg":"last journal"`, `"msg":"epilogue has stopped"`} {
		if !strings.Contains(said.String(), part) {
			p.t.Errorf("got no %q in the output", part)
		}
	}
	if strings.Contains(said.String(), "get namespaces "+p.ns) {
		p.t.Errorf("got a daemon that may not see its namespace, want a Role there to be enough")
	}
	_, err := p.set.plane.Client().CoordinationV1().Leases(p.ns).Get(p.ctx, "epilogue-one", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		p.t.Errorf("got %v for the Lease, want it to be given up", err)
	}
}

// start starts a pod with a secret in its environment, which writes a line.
func (p *process) start(name string) (*kubelet.Pod, *kubelet.Instance) {
	p.t.Helper()
	pod := p.pod(kubelet.Spec{Name: name, Edit: func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "ZENML_STORE_API_TOKEN", Value: secretOfPod}}
	}})
	c := pod.Start("main")
	c.Write(time.Now(), "one line")
	return pod, c
}

func (p *process) ask(address, path string) (string, int) {
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, "http://"+address+path, nil)
	must(p.t, err)
	request.Header.Set("Authorization", "Bearer "+secretOfCaller)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", 0
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(answer.Body) // what came
	return text.String(), answer.StatusCode
}

// wellFormed: every line is an object with a time, a level and a message.
func (p *process) wellFormed(text string) {
	p.t.Helper()
	levels := map[string]int{}
	for line := range strings.Lines(text) {
		var got struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Time == "" || got.Level == "" || got.Msg == "" {
			p.t.Errorf("got the line %q (%v), want JSON with time, level and msg", line, err)
			continue
		}
		levels[got.Level]++
	}
	if levels["DEBUG"] == 0 || levels["INFO"] == 0 || levels["ERROR"] == 0 {
		p.t.Errorf("got lines by level %v, want some of DEBUG, INFO and ERROR", levels)
	}
}
