//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/epilogue-dev/epilogue/cli"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// epilogue calls `kubectl epilogue` with nothing but the kubeconfig, and a service account, because kind's
// administrator has a client certificate, which the daemon cannot see.
func (p *play) epilogue(args ...string) (out, said string, code int) {
	p.Helper()
	return p.epilogueWith(nil, args...)
}

// epilogueWith has more words follow the flags.
func (p *play) epilogueWith(last []string, args ...string) (out, said string, code int) {
	p.Helper()
	args = append(args, "--kubeconfig", p.Kubeconfig, "-n", p.Jobs, "--daemon-namespace", p.Namespace)
	args = append(args, last...)
	var stdout, stderr bytes.Buffer
	code = cli.Run(p.ctx, genericiooptions.IOStreams{In: http.NoBody, Out: &stdout, ErrOut: &stderr}, "e2e", args)
	return stdout.String(), stderr.String(), code
}

// reader makes a service account that may read logs, and no more.
func (p *play) reader(name string) {
	p.Helper()
	meta := metav1.ObjectMeta{Name: name, Namespace: p.Jobs}
	_, err := p.Client.CoreV1().ServiceAccounts(p.Jobs).Create(p.ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	if err == nil {
		_, err = p.Client.RbacV1().Roles(p.Jobs).Create(p.ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
			{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
		}}, metav1.CreateOptions{})
	}
	if err == nil {
		_, err = p.Client.RbacV1().RoleBindings(p.Jobs).Create(p.ctx, &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: p.Jobs}},
		}, metav1.CreateOptions{})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		p.Fatal(err)
	}
}

// TestCommandLine: a log is followed from its start to the end of its Job through a forwarded port, every line once;
// then the failed Job is listed and described.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("cli", "lines -n 3000 -rate 500 then exit 3"), 3*minute)
	p.reader("cli-reader")
	p.pod(func(pod *corev1.Pod) bool { return stage.Running(pod) || stage.Over(pod) })
	out, said, code := p.epilogue("logs", "-f", "job/cli", "--service-account", "cli-reader")
	want := p.truth(p.pod(stage.Over))
	sum := sha256.Sum256([]byte(out))
	got := stage.Truth{Lines: int64(strings.Count(out, "\n")), Bytes: int64(len(out)), SHA256: hex.EncodeToString(sum[:])}
	if code != 0 || got != want {
		t.Errorf("got exit code %d and %+v (%s), want %+v", code, got, said, want)
	}
	for _, tt := range []struct {
		args string
		says []string
	}{
		{"list --failed", []string{"cli ", "Failed", "complete"}},
		{"describe cli", []string{"exit code 3", "Failed", "complete", "Lines:   3000"}},
		{"logs cli --tail 2", []string{"\n"}},
	} {
		out, said, code := p.epilogue(append(strings.Fields(tt.args), "--service-account", "cli-reader")...)
		for _, part := range tt.says {
			if code != 0 || !strings.Contains(out, part) {
				t.Errorf("%s: got exit code %d and %q (%s), want %q in it", tt.args, code, out, said, part)
			}
		}
	}
	if out, said, code := p.epilogue("list"); code != 1 || !strings.Contains(said, "--service-account") {
		t.Errorf("without a token: got exit code %d, %q and %q, want what to give", code, out, said)
	}
	if out, said, code := p.epilogue("list", "--service-account", "default"); code != 1 || !strings.Contains(said, "cannot list") {
		t.Errorf("without a right: got exit code %d, %q and %q, want 403", code, out, said)
	}
}
