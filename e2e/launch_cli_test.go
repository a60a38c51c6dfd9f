//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// commandLine launches, builds, looks at the queue and cancels as a person does, with nothing but the kubeconfig. It
// comes after buildThenRun, which starts the registry.
func (z *zenml) commandLine() {
	p := &play{T: z.T, Stage: z.Stage, ctx: z.ctx}
	// The rights are those of the ZenML server's account.
	call := func(args ...string) (out, said string, code int) {
		z.Helper()
		cut := len(args)
		for i, word := range args {
			if word == "--" {
				cut = i
				break
			}
		}
		all := append([]string{}, args[:cut]...)
		all = append(all, "--service-account", "zenml")
		return p.epilogueWith(args[cut:], all...)
	}
	out, said, code := call("run", "-f", "--image", z.SampleImage, "--env", "TOKEN="+launchToken, "--workload", runID(300), "--", "/sample", "lines", "-n", "500", "-rate", "250")
	if got, want := strings.Count(out, "\n"), 500; code != 0 || got != want || !strings.Contains(said, "succeeded") || strings.Contains(out+said, launchToken) {
		z.Errorf("run: got exit code %d and %d lines (%s), want %d", code, got, said, want)
	}
	if out, said, code := call("run", "-f", "--image", z.SampleImage, "--", "/sample", "exit", "3"); code != 6 || !strings.Contains(said, "exit code 3") {
		z.Errorf("a run that fails: got exit code %d, %q and %q, want 6 and why", code, out, said)
	}
	file := filepath.Join(z.TempDir(), "Dockerfile")
	if err := os.WriteFile(file, []byte("FROM scratch\nLABEL made-by=kubectl\n"), 0o600); err != nil {
		z.Fatal(err)
	}
	for _, says := range []string{"succeeded", "is there already"} {
		out, said, code := call("build", "-f", "--image-name", "zenml-runner:cli", "--dockerfile", file)
		if code != 0 || !strings.Contains(out+said, says) {
			z.Errorf("build: got exit code %d, %q and %q, want %q", code, out, said, says)
		}
	}
	var names []string
	for n := 301; n < 304; n++ { // one more than may run
		out, said, code := call("run", "--image", z.SampleImage, "--workload", runID(n), "--", "/sample", "lines", "-n", "100000", "-rate", "10")
		name, _, found := strings.Cut(strings.TrimPrefix(out, "job/"), " launched")
		if code != 0 || !found {
			z.Fatalf("run: got exit code %d, %q and %q", code, out, said)
		}
		names = append(names, name)
	}
	for _, name := range names[:2] {
		z.until(name, func(job *batchv1.Job) bool { return !*job.Spec.Suspend })
	}
	out, said, code = call("queue", "--no-headers")
	if code != 0 || strings.Count(out, "queued") != 1 || !strings.Contains(out, runID(303)) {
		z.Errorf("queue: got exit code %d and %q (%s), want the last one waiting", code, out, said)
	}
	z.mayCancel()
	for n := 303; n > 300; n-- {
		if out, said, code := call("cancel", runID(n), "--reason", "enough"); code != 0 || !strings.Contains(out, "cancelled") {
			z.Errorf("cancel: got exit code %d, %q and %q", code, out, said)
		}
	}
	for i, name := range names {
		n := 301 + i
		if ended := z.untilOver(name); ended.Status.Succeeded > 0 {
			z.Errorf("cancelled: got %+v, want it ended before its time", ended.Status)
		}
		if out, said, code := call("queue", runID(n), "-o", "wide", "--no-headers"); code != 0 || !strings.Contains(out, "cancelled") || !strings.Contains(out, "enough") {
			z.Errorf("queue of a cancelled workload: got exit code %d and %q (%s), want why", code, out, said)
		}
	}
	if out, said, code := call("cancel", runID(399)); code != 3 {
		z.Errorf("cancel of nothing: got exit code %d, %q and %q, want 3", code, out, said)
	}
}

// mayCancel gives the account the right that a ZenML server does not need.
func (z *zenml) mayCancel() {
	z.Helper()
	role, err := z.Client.RbacV1().Roles(z.Jobs).Get(z.ctx, "zenml", metav1.GetOptions{})
	if err == nil {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"patch"}})
		_, err = z.Client.RbacV1().Roles(z.Jobs).Update(z.ctx, role, metav1.UpdateOptions{})
	}
	if err != nil {
		z.Fatal(err)
	}
}
