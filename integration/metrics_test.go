//go:build integration

package integration

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/rights"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// TestMetricsAskTheAPIServer: who may get the URL /metrics scrapes, and nobody else.
func TestMetricsAskTheAPIServer(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{})
	r.giveScraper()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "epilogue_build_info 1") })
	server := httptest.NewServer(serve.Guard(access.NewReviews(r.reviewer(), "epilogue"), access.ReadMetrics, page))
	t.Cleanup(server.Close)
	r.onlyScrapersScrape(server.URL + "/metrics")
}

// TestMetricsWithoutTheAPI: the program itself asks who scrapes it also where nothing else needs to know a caller.
func TestMetricsWithoutTheAPI(t *testing.T) {
	p := newProcess(t)
	p.give()
	var rules []rbacv1.PolicyRule
	for _, right := range rights.Serving {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{right.Group}, Resources: []string{right.Resource}, Verbs: []string{right.Verb}})
	}
	p.giveInCluster("keeper", rules...)
	p.giveScraper()
	p.api, p.flags = "off", []string{"--metrics-auth", "kubernetes"}
	cmd, said := p.command()
	must(t, cmd.Start())
	p.await("it to be ready", func() bool { _, code := p.ask(p.health, "/readyz"); return code == http.StatusOK })
	p.onlyScrapersScrape("http://" + p.metrics + "/metrics")
	if strings.Contains(said.String(), `"msg":"API listens"`) {
		t.Error("the API listens, want it off")
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v after SIGTERM, want exit code 0", err)
	}
}

// giveInCluster gives an account rights outside namespaces.
func (r *rig) giveInCluster(account string, rules ...rbacv1.PolicyRule) {
	r.t.Helper()
	name, admin := r.ns+"-"+account, r.set.plane.Client().RbacV1()
	_, err := admin.ClusterRoles().Create(r.ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{})
	must(r.t, err)
	_, err = admin.ClusterRoleBindings().Create(r.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: r.ns, Name: account}},
	}, metav1.CreateOptions{})
	must(r.t, err)
}

// giveScraper gives the account prometheus its right. The authorizer hears of it a moment later, and a denial is
// believed for half a minute: so it is given before anybody asks.
func (r *rig) giveScraper() {
	r.t.Helper()
	r.giveInCluster("prometheus", rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}})
}

// onlyScrapersScrape asks for metrics with every kind of token.
func (r *rig) onlyScrapersScrape(url string) {
	r.t.Helper()
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
		// The rights reach the authorizer a moment later.
		r.await("the answer "+http.StatusText(test.code)+" to "+test.name, func() bool {
			code, text := scrape(r.ctx, r.t, url, test.token)
			if code == http.StatusOK && test.code != http.StatusOK {
				r.t.Fatalf("%s: got %d, want %d", test.name, code, test.code)
			}
			if shown := strings.Contains(text, "epilogue_build_info"); shown != (code == http.StatusOK) {
				r.t.Fatalf("%s: got %d, and the metrics %v", test.name, code, shown)
			}
			return code == test.code
		})
	}
}

func scrape(ctx context.Context, t *testing.T, url, token string) (code int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	must(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(b)
}
