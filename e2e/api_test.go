//go:build e2e

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

const apiPort = 8000

// TestAPI has a daemon of its own, which it kills.
func TestAPI(t *testing.T) {
	t.Parallel()
	s := own(t, stage.Config{Namespace: "epilogue-e2e-api"})
	allowLogs(t, s, "reader")
	t.Run("one call", func(t *testing.T) { followedToTheEnd(t, s) })
	t.Run("loki", func(t *testing.T) { lokiOutlivesThePod(t, s) })
	t.Run("restart", func(t *testing.T) { followerOutlivesDaemon(t, s) })
}

// TestAPIOfTwoReplicas asks each of two replicas for a log that only one of them follows: both give it live, the other
// one by asking that one with the caller's token, which has to be for no audience but theirs: the connection between
// them is not authenticated.
func TestAPIOfTwoReplicas(t *testing.T) {
	t.Parallel()
	s := own(t, stage.Config{Namespace: "epilogue-e2e-api2", Values: []string{"replicaCount=2"}})
	allowLogs(t, s, "reader")
	p := start(t, s, s.Job("shared", "until -rate 20 -last 0"), 2*minute)
	p.pod(stage.Running)
	p.talking(20)
	pods, err := s.Client.CoreV1().Pods(s.Namespace).List(p.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=epilogue"})
	if err != nil || len(pods.Items) != 2 {
		t.Fatalf("got %d replicas, %v, want 2", len(pods.Items), err)
	}
	token := p.token("reader", "epilogue")
	for _, pod := range pods.Items {
		f, err := s.Forward(p.ctx, "pod/"+pod.Name, apiPort)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		url := "http://" + f.Address + "/api/v1/namespaces/" + s.Jobs + "/jobs/shared/log"
		resp := p.ask(url, token)
		first, err := bufio.NewReader(resp.Body).ReadString('\n')
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("X-Log-Source") != "live" || !strings.HasPrefix(first, "line 000000001 ") {
			t.Errorf("%s: got %s from %q, first line %q (%v), want it live from its start", pod.Name, resp.Status, resp.Header.Get("X-Log-Source"), first, err)
		}
		if got := p.ask(url, p.token("stranger")).StatusCode; got != http.StatusForbidden {
			t.Errorf("%s: got %d for who may not, want 403", pod.Name, got)
		}
	}
	background := metav1.DeletePropagationBackground
	if err := s.Client.BatchV1().Jobs(s.Jobs).Delete(p.ctx, p.job, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
}

// allowLogs makes an account that may get pods/log in the namespace of the Jobs, and nothing else.
func allowLogs(t *testing.T, s *stage.Stage, account string) {
	t.Helper()
	about := metav1.ObjectMeta{Name: account}
	role := &rbacv1.Role{ObjectMeta: about, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}}}}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: about, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.Jobs, Name: account}},
	}
	if _, err := s.Client.RbacV1().Roles(s.Jobs).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client.RbacV1().RoleBindings(s.Jobs).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{account, "stranger"} {
		made := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := s.Client.CoreV1().ServiceAccounts(s.Jobs).Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// token returns one of an account, for the API server's own audience or for others.
func (p *play) token(account string, audiences ...string) string {
	p.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	made, err := p.Client.CoreV1().ServiceAccounts(p.Jobs).CreateToken(p.ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		p.Fatal(err)
	}
	return made.Status.Token
}

// api returns the API's URL on this machine, until the test ends.
func (p *play) api() string {
	p.Helper()
	f, err := p.Forward(p.ctx, "service/"+stage.Release, apiPort)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(f.Close)
	return "http://" + f.Address
}

func (p *play) ask(url, token string, header ...string) *http.Response {
	p.Helper()
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, url, nil)
	if err != nil {
		p.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { resp.Body.Close() })
	return resp
}

// followedToTheEnd keeps one call through the deletion of the Job, the end of its pod and the seal: it is the log as
// it was written, each line once, and ends by itself. Who may read it may do so while it is written and when all is
// gone, and nobody else.
func followedToTheEnd(t *testing.T, s *stage.Stage) {
	p := start(t, s, s.Job("followed", "until -rate 50 -last 200"), 3*minute)
	p.pod(stage.Running)
	p.talking(50)
	api := p.api() + "/api/v1/namespaces/" + s.Jobs + "/jobs/followed/log"
	reader := p.token("reader")
	p.rights(api)
	resp := p.ask(api+"?follow=true", reader)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Log-Source") != "live" {
		t.Fatalf("got %s from %s, want it live", resp.Status, resp.Header.Get("X-Log-Source"))
	}
	body := bufio.NewReader(resp.Body)
	sum, lines := sha256.New(), int64(0)
	next := func() error {
		line, err := body.ReadString('\n')
		if len(line) > 0 {
			lines++
			fmt.Fprint(sum, line)
		}
		return err
	}
	for lines < 100 {
		if err := next(); err != nil {
			t.Fatal(err)
		}
	}
	background := metav1.DeletePropagationBackground
	if err := s.Client.BatchV1().Jobs(s.Jobs).Delete(p.ctx, p.job, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	pod := p.pod(ended("main"))
	truth := p.truth(pod)
	err := next()
	for ; err == nil; err = next() {
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("after %d lines of %d: %v, want the end", lines, truth.Lines, err)
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); lines != truth.Lines || got != truth.SHA256 {
		t.Errorf("got %d lines with %s, want %d with %s", lines, got, truth.Lines, truth.SHA256)
	}
	if m := p.manifest(); p.record(m, "main", 0).Verdict != archive.Complete {
		t.Errorf("got %+v, want it complete", m.Instances)
	}
	if err := s.AwaitNoPod(p.ctx, pod.Name); err != nil {
		t.Fatal(err)
	}
	p.rights(api)
	again := p.ask(api, reader)
	sum.Reset()
	if _, err := io.Copy(sum, again.Body); err != nil || fmt.Sprintf("%x", sum.Sum(nil)) != truth.SHA256 || again.Header.Get("X-Log-Source") != "archive" {
		t.Errorf("when all is gone: got %x from %s (%v), want %s from the archive", sum.Sum(nil), again.Header.Get("X-Log-Source"), err, truth.SHA256)
	}
}

// rights asks for the last line as several users.
func (p *play) rights(url string) {
	p.Helper()
	for _, user := range []struct {
		name, token string
		code        int
	}{
		{"with the right", p.token("reader"), http.StatusOK},
		{"with the right, by the daemon's audience", p.token("reader", "epilogue"), http.StatusOK},
		{"for another audience", p.token("reader", "vault"), http.StatusUnauthorized},
		{"without the right", p.token("stranger"), http.StatusForbidden},
		{"nobody", "nonsense", http.StatusUnauthorized},
	} {
		resp := p.ask(url+"?tailLines=1", user.token)
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != user.code {
			p.Errorf("%s: got %s %s (%v), want %d", user.name, resp.Status, text, err, user.code)
		}
		if user.code == http.StatusForbidden && !strings.Contains(string(text), "system:serviceaccount:"+p.Jobs+":stranger") {
			p.Errorf("%s: got %s, want the user's name", user.name, text)
		}
	}
}

// followerOutlivesDaemon kills the daemon twice under a follower, who comes back each time with the id of the last
// event that he had: every line once.
func followerOutlivesDaemon(t *testing.T, s *stage.Stage) {
	p := start(t, s, s.Job("outlived", "lines -n 2000 -rate 50"), 5*minute)
	p.pod(stage.Running)
	pod, err := s.AwaitDaemon(p.ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	restarts := pod.Status.ContainerStatuses[0].RestartCount
	f := &follower{play: p, path: "/api/v1/namespaces/" + s.Jobs + "/jobs/outlived/log?follow=true", token: p.token("reader")}
	for kill := range int32(2) {
		f.read(func() bool { return len(f.lines) >= 300*int(kill+1) })
		p.kill(restarts + kill)
		f.read(func() bool { return false })
		if _, err := s.AwaitDaemon(p.ctx, restarts+kill+1); err != nil {
			t.Fatal(err)
		}
	}
	for !f.ended {
		f.read(func() bool { return false })
	}
	truth := p.truth(p.pod(stage.Over))
	sum := sha256.New()
	for _, line := range f.lines {
		fmt.Fprintln(sum, line)
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); int64(len(f.lines)) != truth.Lines || got != truth.SHA256 {
		t.Errorf("got %d lines with %s over %d connections, want %d with %s", len(f.lines), got, f.connections, truth.Lines, truth.SHA256)
	}
	t.Logf("%d lines over %d connections", len(f.lines), f.connections)
}

// follower reads server-sent events as a browser does: where his connection ends he comes back with the id of the last
// event.
type follower struct {
	*play
	path, token string

	body        *bufio.Reader // nil: not connected
	id          string
	lines       []string
	ended       bool
	connections int
}

// read reads events until something holds, the log ends, or the connection does.
func (f *follower) read(until func() bool) {
	f.Helper()
	if f.body == nil {
		resp := f.ask(f.api()+f.path, f.token, "Accept", "text/event-stream", "Last-Event-ID", f.id)
		if resp.StatusCode != http.StatusOK {
			f.Fatalf("got %s", resp.Status)
		}
		f.body = bufio.NewReader(resp.Body)
		f.connections++
	}
	id, name := "", ""
	for !until() {
		field, err := f.body.ReadString('\n')
		if err != nil {
			f.body = nil // half an event counts as none
			return
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(field, "\n"), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			if f.event(name, id, value); f.ended {
				return
			}
			name = ""
		}
	}
}

func (f *follower) event(name, id, data string) {
	f.Helper()
	switch name {
	case "":
		var line struct{ Text string }
		if err := json.Unmarshal([]byte(data), &line); err != nil {
			f.Fatal(err)
		}
		f.lines = append(f.lines, line.Text)
		f.id = id
	case "end":
		f.ended = true
	case "error": // the daemon says that it stops
	default:
		f.Fatalf("event %s: %s", name, data)
	}
}
