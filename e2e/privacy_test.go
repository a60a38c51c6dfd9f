//go:build e2e

package e2e

import (
	"bytes"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// ZenML puts a token into the environment that does not expire. Neither the archive nor the daemon's own log may show
// it.
func TestEnvironmentIsNotKept(t *testing.T) {
	t.Parallel()
	const (
		token    = "zen-token-4f1c93d07e"
		workload = "6a0b4f3e-58f1-4c0e-9a53-0d6b1f6f2d11"
	)
	job := shared.Job("private", "lines -n 10 then exit 4")
	job.Labels = map[string]string{"epilogue.dev/workload-id": workload}
	job.Spec.Template.Annotations = map[string]string{"example.com/copy": token}
	job.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "ZENML_STORE_API_TOKEN", Value: token}}
	p := start(t, shared, job, 2*minute)
	p.pod(stage.Over)
	m := p.manifest()
	p.object(m.Pod.WorkloadIndexKey(workload))
	p.object(m.Pod.JobKey())
	for object, err := range p.Store.List(p.ctx, m.Pod.JobPrefix(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if p.holds(object.Key, token) {
			t.Errorf("%s holds the token, want no environment in it", object.Key)
		}
	}
	out, err := p.Output(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, token) {
		t.Error("the daemon's log holds the token, want no environment in it")
	}
}

// holds looks into an object, and into the text of one that is compressed.
func (p *play) holds(key archive.Key, text string) bool {
	p.Helper()
	var b bytes.Buffer
	if strings.HasSuffix(string(key), ".zst") {
		if err := p.Text(p.ctx, key, &b); err != nil {
			p.Fatal(err)
		}
	} else {
		body, _, err := p.Store.Get(p.ctx, key, archive.Range{})
		if err != nil {
			p.Fatal(err)
		}
		defer body.Close()
		if _, err := b.ReadFrom(body); err != nil {
			p.Fatal(err)
		}
	}
	return bytes.Contains(b.Bytes(), []byte(text))
}

// What the API server grants to the daemon's account: what the Role says, in the watched namespace and nowhere else.
func TestRights(t *testing.T) {
	t.Parallel()
	tests := []struct {
		verb, group, resource, sub, namespace string
		want                                  bool
	}{
		{"list", "", "pods", "", shared.Jobs, true},
		{"get", "", "pods", "log", shared.Jobs, true},
		{"watch", "batch", "jobs", "", shared.Jobs, true},
		{"list", "", "events", "", shared.Jobs, true},
		{"get", "", "pods", "log", shared.Namespace, false},
		{"list", "", "pods", "", "kube-system", false},
		{"get", "", "secrets", "", shared.Jobs, false},
		{"create", "", "pods", "exec", shared.Jobs, false},
		{"delete", "", "pods", "", shared.Jobs, true},
		{"delete", "batch", "jobs", "", shared.Jobs, true},
		{"patch", "batch", "jobs", "", shared.Jobs, true},
		{"delete", "batch", "jobs", "", shared.Namespace, false},
		{"deletecollection", "batch", "jobs", "", shared.Jobs, false},
		{"create", "", "pods", "", shared.Jobs, false},
		{"update", "batch", "jobs", "", shared.Jobs, false},
	}
	for _, test := range tests {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + shared.Namespace + ":" + stage.Release,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: test.verb, Group: test.group, Resource: test.resource, Subresource: test.sub, Namespace: test.namespace,
			},
		}}
		got, err := shared.Client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Status.Allowed != test.want {
			t.Errorf("%s %s/%s in %s: got allowed %t, want %t", test.verb, test.resource, test.sub, test.namespace, got.Status.Allowed, test.want)
		}
	}
}
