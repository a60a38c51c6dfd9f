//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// api serves the API over the parts of a daemon. It asks the API server with the rights that the chart gives it, and no
// others.
func (r *rig) api() *httptest.Server {
	r.t.Helper()
	reader := read.New(find.Config{Store: r.store, Codec: r.codec, Spool: r.daemon.spool, Replica: "test"})
	a := serve.NewAPI(serve.Config{Namespace: r.ns}, serve.Parts{
		Access: access.NewReviews(r.reviewer(), "epilogue"), Reader: reader, Objects: reader, Log: r.daemon.said.logger(),
		Now: r.daemon.clock.Now,
	})
	server := httptest.NewServer(a)
	r.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// reviewer returns a client of an account that may ask whose token it is and what its owner may do.
func (r *rig) reviewer() kubernetes.Interface {
	r.t.Helper()
	name := r.ns + "-reviews"
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: r.ns, Name: "reviewer"}},
	}
	admin := r.set.plane.Client().RbacV1()
	if _, err := admin.ClusterRoles().Create(r.ctx, role, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	if _, err := admin.ClusterRoleBindings().Create(r.ctx, binding, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	config := r.set.plane.RESTConfig()
	config.CertData, config.KeyData, config.BearerToken = nil, nil, r.token("reviewer")
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		r.t.Fatal(err)
	}
	return client
}

// token returns a token of an account of the namespace, for the API server's own audience or for others.
func (r *rig) token(account string, audiences ...string) string {
	r.t.Helper()
	token, err := r.set.plane.ServiceAccountToken(r.ctx, r.ns, account)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(audiences) == 0 {
		return token
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	made, err := r.set.plane.Client().CoreV1().ServiceAccounts(r.ns).CreateToken(r.ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return made.Status.Token
}

// allow gives an account a right in the namespace.
func (r *rig) allow(account, verb, resource string) {
	r.t.Helper()
	admin := r.set.plane.Client().RbacV1()
	name := account + "-" + verb + "-" + strings.ReplaceAll(resource, "/", "-")
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: []string{verb}}},
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: r.ns, Name: account}},
	}
	if _, err := admin.Roles(r.ns).Create(r.ctx, role, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	if _, err := admin.RoleBindings(r.ns).Create(r.ctx, binding, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

// allowEverywhere gives an account a right in all namespaces.
func (r *rig) allowEverywhere(account, verb, resource string) {
	r.t.Helper()
	admin := r.set.plane.Client().RbacV1()
	meta := metav1.ObjectMeta{Name: r.ns + "-" + account}
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: []string{verb}}}
	if _, err := admin.ClusterRoles().Create(r.ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	if _, err := admin.ClusterRoleBindings().Create(r.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: r.ns, Name: account}},
	}, metav1.CreateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func ask(ctx context.Context, t testing.TB, url, token string, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestAPIAsksTheAPIServer: who may get pods/log reads the log, and nobody else; also when the pod is long gone.
func TestAPIAsksTheAPIServer(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 10)
	r.await("the lines", func() bool { return r.held(p, c) == 10 })
	r.allow("reader", "get", "pods/log")
	r.allow("lister", "list", "pods")
	r.token("stranger")
	r.allowEverywhere("overseer", "list", "pods")
	url := r.api().URL + "/api/v1/namespaces/" + r.ns
	log, list := "/pods/"+p.Name()+"/log", "/jobs"
	const everywhere = "/../../jobs"
	tests := []struct {
		name, path, token string
		code              int
	}{
		{"with the right", log, r.token("reader"), 200},
		{"without it", log, r.token("stranger"), 403},
		{"with another one", log, r.token("lister"), 403},
		{"list with the right", list, r.token("lister"), 200},
		{"list without it", list, r.token("reader"), 403},
		{"our own audience", log, r.token("reader", "epilogue"), 200},
		{"ours among others", log, r.token("reader", "vault", "epilogue"), 200},
		{"another audience", log, r.token("reader", "vault"), 401},
		{"no token", log, "", 401},
		{"nonsense", log, "nonsense", 401},
		{"a forged token", log, forged(r.token("reader", "epilogue")), 401},
		{"another namespace", "/../kube-system" + log, r.token("reader"), 403},
		{"list of all namespaces", everywhere, r.token("overseer"), 200},
		{"list of all namespaces with the right in one", everywhere, r.token("lister"), 403},
	}
	check := func(when string) {
		t.Helper()
		for _, test := range tests {
			path := url + test.path
			if test.path == everywhere {
				path = strings.TrimSuffix(url, "/namespaces/"+r.ns) + "/jobs"
			} else if rest, other := strings.CutPrefix(test.path, "/../"); other {
				path = strings.TrimSuffix(url, r.ns) + rest
			}
			resp := ask(r.ctx, t, path, test.token)
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.code {
				t.Errorf("%s, %s: got %d %s (%v), want %d", when, test.name, resp.StatusCode, body, err, test.code)
				continue
			}
			var status metav1.Status
			switch test.code {
			case 403:
				if json.Unmarshal(body, &status) != nil || !strings.Contains(status.Message, `User "system:serviceaccount:`+r.ns+`:`) {
					t.Errorf("%s, %s: got %s, want a Status that names the user", when, test.name, body)
				}
			case 200:
				if test.path == log && strings.Count(string(body), "\n") != 10 {
					t.Errorf("%s, %s: got %d lines, want 10", when, test.name, strings.Count(string(body), "\n"))
				}
			}
		}
	}
	check("while it runs")
	c.Exit(0)
	r.complete(p, c)
	p.Delete()
	pods := r.set.plane.Client().CoreV1().Pods(r.ns)
	if left, err := pods.List(r.ctx, metav1.ListOptions{}); err != nil || len(left.Items) > 0 {
		t.Fatalf("got pods %v, %v, want none left", left, err)
	}
	check("when it is gone")
}

// forged is a token whose claims were changed.
func forged(token string) string {
	parts := strings.Split(token, ".")
	last := []byte(parts[2])
	slices.Reverse(last)
	return parts[0] + "." + parts[1] + "." + string(last)
}

// TestFollowThroughRestarts: a follower loses his daemon twice, by a crash each time, and goes on with the id of the
// last event that he had: every line once, and the end.
func TestFollowThroughRestarts(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	r.allow("reader", "get", "pods/log")
	token := r.token("reader")
	f := &eventReader{t: t, path: "/api/v1/namespaces/" + r.ns + "/pods/" + p.Name() + "/log?follow=true", token: token}
	written := 0
	more := func(n int) {
		write(c, written, written+n)
		written += n
	}
	for life := range 3 {
		if life > 0 {
			more(5) // nobody follows, and then the daemon is down
			r.restart()
			r.followed(c)
		}
		server := r.apiAgain(life)
		f.connect(r.ctx, server.URL)
		more(10)
		f.until(r.ctx, func() bool { return len(f.lines) == written })
		more(5) // while he is not there
		if life == 2 {
			break
		}
		f.disconnect()
		r.await("the lines", func() bool { return r.held(p, c) == int64(written) })
	}
	c.Exit(0)
	f.until(r.ctx, func() bool { return f.ended })
	if got, want := len(f.lines), written; got != want {
		t.Fatalf("got %d lines, want %d", got, want)
	}
	for n, line := range c.Lines() {
		if f.lines[n] != line.Text {
			t.Fatalf("line %d: got %q, want %q", n, f.lines[n], line.Text)
		}
	}
	if !strings.Contains(f.last, `"verdict":"complete"`) {
		t.Errorf("got the end %s, want the verdict", f.last)
	}
}

// apiAgain serves the API of the daemon's next life; the accounts that it asks with are there already.
func (r *rig) apiAgain(life int) *httptest.Server {
	if life == 0 {
		return r.api()
	}
	reader := read.New(find.Config{Store: r.store, Codec: r.codec, Spool: r.daemon.spool, Replica: "test"})
	server := httptest.NewServer(serve.NewAPI(serve.Config{Namespace: r.ns}, serve.Parts{
		Access: access.NewReviews(r.set.plane.Client(), "epilogue"), Reader: reader, Objects: reader, Log: r.daemon.said.logger(),
	}))
	r.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// eventReader reads server-sent events as a browser does.
type eventReader struct {
	t           testing.TB
	path, token string

	resp  *http.Response
	body  *bufio.Reader
	id    string
	lines []string
	last  string // data of the last event
	ended bool
}

func (f *eventReader) connect(ctx context.Context, url string) {
	f.t.Helper()
	f.resp = ask(ctx, f.t, url+f.path, f.token, "Accept", "text/event-stream", "Last-Event-ID", f.id)
	if f.resp.StatusCode != http.StatusOK {
		f.t.Fatalf("got %s", f.resp.Status)
	}
	f.body = bufio.NewReader(f.resp.Body)
}

func (f *eventReader) disconnect() { f.resp.Body.Close() }

// until reads events until something holds.
func (f *eventReader) until(ctx context.Context, holds func() bool) {
	f.t.Helper()
	name := ""
	for !holds() {
		field, err := f.body.ReadString('\n')
		if err != nil {
			f.t.Fatalf("after %d lines: %v, %v", len(f.lines), err, ctx.Err())
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(field, "\n"), ": ")
		switch key {
		case "id":
			f.id = value
		case "event":
			name = value
		case "data":
			f.last = value
			f.event(name, value)
			name = ""
		}
	}
}

func (f *eventReader) event(name, data string) {
	f.t.Helper()
	switch name {
	case "end":
		f.ended = true
	case "":
		var line struct {
			Line int64
			Text string
		}
		if err := json.Unmarshal([]byte(data), &line); err != nil {
			f.t.Fatal(err)
		}
		f.lines = append(f.lines, line.Text)
	default:
		f.t.Fatalf("event %s: %s", name, data)
	}
}
