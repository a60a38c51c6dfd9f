package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/cli/remote"
)

func TestRefusals(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	d := s.daemon()
	defer d.Close()
	status := func(code int, reason string) func(http.Handler, http.ResponseWriter, *http.Request) {
		return func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"reason":%q,"message":"because"}`, code, reason)
		}
	}
	for _, tt := range []struct {
		name     string
		meet     func(http.Handler, http.ResponseWriter, *http.Request)
		want     int
		says     string
		requests int
	}{
		{"forbidden", status(403, "Forbidden"), codeFailed, "because", 1},
		{"unauthorized", status(401, "Unauthorized"), codeFailed, "--service-account", 1},
		{"bad request", status(400, "BadRequest"), codeUse, "because", 1},
		{"damaged", status(500, "InternalError"), codeDamaged, "because", 1},
		{"busy", status(503, "ServiceUnavailable"), codeFailed, "because", 3},
		{"too many", status(429, "TooManyRequests"), codeFailed, "because", 3},
		{"somebody else", func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>", http.StatusBadGateway)
		}, codeFailed, "not the daemon's form", 3},
	} {
		requests := 0
		d.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
			requests++
			tt.meet(api, w, r)
		})
		c := newScreen()
		c.origin = d.remote(t, nil)
		code := c.does(t.Context(), "logs", "job/nightly")
		if code != tt.want || !strings.Contains(c.errOut.String(), tt.says) || requests != tt.requests {
			t.Errorf("%s: got exit code %d, %q after %d requests, want %d, %q, %d", tt.name, code, c.errOut, requests, tt.want, tt.says, tt.requests)
		}
	}
}

func TestBusyForAWhile(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	d := s.daemon()
	defer d.Close()
	requests := 0
	d.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
		if requests++; requests%3 != 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"kind":"Status","status":"Failure","code":503,"reason":"ServiceUnavailable"}`)
			return
		}
		api.ServeHTTP(w, r)
	})
	c := newScreen()
	c.origin = d.remote(t, nil)
	if code := c.does(t.Context(), "get", "nightly"); code != codeOK || requests != 12 {
		t.Errorf("got exit code %d after %d requests (%s), want 12: two in vain before each of four", code, requests, c.errOut)
	}
}

// TestToken: the daemon gets a token that is good for it alone wherever one can be had, and the kubeconfig's own only
// where the caller says so.
func TestToken(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	d := s.daemon()
	defer d.Close()
	const robot = "system:serviceaccount:ci:robot"
	for _, tt := range []struct {
		name string
		own  string // the kubeconfig's token; "": a client certificate
		who  string // as the API server knows the caller
		may  bool   // ask for tokens
		more []string
		want string // what the daemon gets; "": nothing is sent
		code int
		says string
	}{
		{"a token that is named", "", "joe", false, []string{"--token", "jane"}, "Bearer jane", codeOK, ""},
		{"an account that is named", "secret", "joe", true, []string{"--service-account", "reader", "--daemon-audience", "ours"}, "Bearer token of zenml/reader for ours", codeOK, ""},
		{"a person", "secret", "joe", true, nil, "", codeUse, "--own-token to send yours"},
		{"a person who says so", "secret", "joe", true, []string{"--own-token"}, "Bearer secret", codeOK, ""},
		{"a person whose environment says so", "secret", "joe", true, []string{"EPILOGUE_OWN_TOKEN=true"}, "Bearer secret", codeOK, ""},
		{"or something else", "secret", "joe", true, []string{"EPILOGUE_OWN_TOKEN=sure"}, "", codeUse, `EPILOGUE_OWN_TOKEN is "sure", want true or false`},
		{"an account itself", "secret", robot, true, nil, "Bearer token of ci/robot for epilogue", codeOK, ""},
		{"an account that may not", "secret", robot, false, nil, "", codeUse, "--service-account NAME for a token that is good for the daemon alone"},
		{"a certificate", "", "joe", true, nil, "none", codeFailed, "a client certificate ends at the API server: give --service-account NAME"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newScreen()
			c.kubes = tokens(tt.who, tt.may)
			d.tokens = nil
			if len(tt.more) == 1 {
				if name, text, ok := strings.Cut(tt.more[0], "="); ok {
					c.lookup = func(n string) (string, bool) { return text, n == name }
					tt.more = nil
				}
			}
			args := append([]string{"list", "--kubeconfig", kubeconfig(t, d.kubernetes.URL, tt.own), "--daemon-url", d.URL, "-n", zenml}, tt.more...)
			code := c.does(t.Context(), args...)
			got := strings.Join(d.tokens, ", ")
			if len(d.tokens) > 0 && got == "" {
				got = "none"
			}
			if code != tt.code || got != tt.want || !strings.Contains(c.errOut.String(), tt.says) {
				t.Errorf("got exit code %d, %q and %q, want %d, %q and %q", code, got, c.errOut, tt.code, tt.want, tt.says)
			}
		})
	}
}

// tokens is an API server that says who the caller is, and gives him tokens of accounts where he may have them.
func tokens(who string, may bool) *fake.Clientset {
	client := fake.NewClientset()
	client.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: who}}}, nil
	})
	client.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if !may {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts/token"}, "", errors.New("no"))
		}
		create := a.(clienttesting.CreateActionImpl)
		request := create.GetObject().(*authenticationv1.TokenRequest)
		request.Status.Token = fmt.Sprintf("token of %s/%s for %s", create.GetNamespace(), create.Name, request.Spec.Audiences[0])
		return true, request, nil
	})
	return client
}

func kubeconfig(t *testing.T, server, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
  clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}], users: [{name: u, user: {token: %q}}]}`, server, token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDirectWantsTLS(t *testing.T) {
	auth := func(rt http.RoundTripper) (http.RoundTripper, error) { return rt, nil }
	for address, right := range map[string]bool{
		"https://epilogue.example.com": true, "http://127.0.0.1:8000": true, "http://localhost:8000": true, "http://[::1]:8000": true,
		"http://epilogue.example.com": false, "epilogue.example.com": false, "ftp://127.0.0.1": false, "": false,
	} {
		if _, err := remote.Direct(address, auth); (err == nil) != right {
			t.Errorf("%q: got %v, want that it is right: %t", address, err, right)
		}
	}
}

func TestDownloadFromTheDaemon(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	d := s.daemon()
	defer d.Close()
	var folders [2]string
	for n, c := range []*screen{s.screen(), newScreen()} {
		if n == 1 {
			c.origin = d.remote(t, nil)
		}
		folders[n] = t.TempDir()
		for _, form := range []string{"--compressed", "--compressed=false"} {
			if code := c.does(t.Context(), "download", "nightly", "-d", folders[n], form); code != codeOK {
				t.Fatalf("got exit code %d: %s", code, c.errOut)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(folders[0], "*", "*", "*", "*"))
	if err != nil || len(files) != 8 {
		t.Fatalf("got files %q, %v, want two manifests, and two files of each of three logs", files, err)
	}
	for _, file := range files {
		want, err1 := os.ReadFile(file)
		got, err2 := os.ReadFile(strings.Replace(file, folders[0], folders[1], 1))
		if err := errors.Join(err1, err2); err != nil || string(got) != string(want) {
			t.Errorf("%s: got %q, %v, want %q", file, got, err, want)
		}
	}
}

// TestDamageThroughTheDaemon: what is damaged is told with the exit code, and the rest is given.
func TestDamageThroughTheDaemon(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(nil))
	s.damage(archive.Instance{PodRef: ref("nightly", "nightly-aaaaa"), Container: "main"}.LogKey())
	d := s.daemon()
	defer d.Close()
	for _, follow := range []string{"--follow=false", "--follow"} {
		c := newScreen()
		c.origin = d.remote(t, nil)
		code := c.does(t.Context(), "logs", "nightly", follow)
		if got := c.out.String(); code != codeDamaged || !strings.Contains(got, "try 2") || !strings.Contains(c.errOut.String(), "frame 0") {
			t.Errorf("%s: got exit code %d, %q and %q, want %d, the lines that are whole and where the damage is", follow, code, got, c.errOut, codeDamaged)
		}
	}
}
