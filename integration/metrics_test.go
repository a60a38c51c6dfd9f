//go:build integration

package integration

import (
	"net/http"
	"net/http/httptest"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// TestMetricsAskTheAPIServer: who may get the URL /metrics scrapes, and nobody else.
func TestMetricsAskTheAPIServer(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	name := r.ns + "-scraper"
	admin := r.set.plane.Client().RbacV1()
	_, err := admin.ClusterRoles().Create(r.ctx, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}},
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = admin.ClusterRoleBindings().Create(r.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: r.ns, Name: "prometheus"}},
	}, metav1.CreateOptions{})
	must(t, err)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	server := httptest.NewServer(serve.Guard(access.NewReviews(r.reviewer(), "epilogue"), access.ReadMetrics, page))
	t.Cleanup(server.Close)
	r.allow("reader", "get", "pods/log")
	for _, test := range []struct {
		name, token string
		code        int
	}{
		{"with the right", r.token("prometheus"), http.StatusOK},
		{"our own audience", r.token("prometheus", "epilogue"), http.StatusOK},
		{"with another right", r.token("reader"), http.StatusForbidden},
		{"no token", "", http.StatusUnauthorized},
		{"nonsense", "nonsense", http.StatusUnauthorized},
	} {
		r.await("the answer "+http.StatusText(test.code)+" to "+test.name, func() bool { // the rights reach the authorizer a moment later
			request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, server.URL+"/metrics", nil)
			must(t, err)
			if test.token != "" {
				request.Header.Set("Authorization", "Bearer "+test.token)
			}
			answer, err := http.DefaultClient.Do(request)
			must(t, err)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK && test.code != http.StatusOK {
				t.Fatalf("%s: got %d, want %d", test.name, answer.StatusCode, test.code)
			}
			return answer.StatusCode == test.code
		})
	}
}
