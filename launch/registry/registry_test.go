package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	local "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// serve returns the host of a registry that holds runner:there, behind a password where one is given.
func serve(t *testing.T, password string) string {
	t.Helper()
	inner := local.New(local.Logger(log.New(io.Discard, "", 0)))
	open := httptest.NewServer(inner)
	t.Cleanup(open.Close)
	image, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(open.URL, "http://")+"/zenml/runner:there", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, got, _ := r.BasicAuth(); password != "" && (user != "epilogue" || got != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(guarded.Close)
	return strings.TrimPrefix(guarded.URL, "http://")
}

func config(host, password string) Login {
	auth := base64.StdEncoding.EncodeToString([]byte("epilogue:" + password))
	return func(context.Context) ([]byte, error) {
		return fmt.Appendf(nil, `{"auths": {"https://%s/v1/": {"auth": %q}}}`, host, auth), nil
	}
}

func TestHas(t *testing.T) {
	open, closed := serve(t, ""), serve(t, "s3cr3t")
	tests := []struct {
		name  string
		login Login
		image string
		want  bool
		fails string
	}{
		{"there", nil, open + "/zenml/runner:there", true, ""},
		{"another tag", nil, open + "/zenml/runner:other", false, ""},
		{"another repository", nil, open + "/other:there", false, ""},
		{"with a login", config(closed, "s3cr3t"), closed + "/zenml/runner:there", true, ""},
		{"missing, with a login", config(closed, "s3cr3t"), closed + "/zenml/runner:other", false, ""},
		{"anonymously where a login is wanted", nil, closed + "/zenml/runner:there", false, "401"},
		{"wrong password", config(closed, "wr0ng"), closed + "/zenml/runner:there", false, "401"},
		{"login of another registry", config("example.com", "s3cr3t"), closed + "/zenml/runner:there", false, "401"},
		{"no name", nil, "Not An Image", false, "look for image Not An Image"},
		{"nobody there", nil, "127.0.0.1:1/a:b", false, "refused"},
		{"login cannot be read", func(context.Context) ([]byte, error) { return nil, errors.New("no such Secret") }, open + "/a:b", false, "no such Secret"},
		{"login is none", func(context.Context) ([]byte, error) { return []byte("s3cr3t"), nil }, open + "/a:b", false, "want a Docker config.json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := New(test.login, true).Has(t.Context(), test.image)
			if got != test.want || (err != nil) != (test.fails != "") {
				t.Fatalf("got %v, %v, want %v and error %q", got, err, test.want, test.fails)
			}
			if err != nil && (!strings.Contains(err.Error(), test.fails) || strings.Contains(err.Error(), "s3cr3t")) {
				t.Errorf("got %v, want %s and no password", err, test.fails)
			}
		})
	}
}

// hiding returns the host of a registry that knows the repository known, hides every other one, and leaves tokens to
// somebody who refuses a wrong password. Where refuses is "token", the hidden ones are refused there; else by the
// registry itself with that status.
func hiding(t *testing.T, refuses string, status int) string {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hidden := !strings.HasPrefix(r.URL.Path, "/v2/known/") && r.URL.Path != "/v2/"
		switch {
		case r.URL.Path == "/token":
			user, password, _ := r.BasicAuth()
			scope := r.URL.Query().Get("scope")
			switch {
			case user != "" && (user != "epilogue" || password != "s3cr3t"):
				w.WriteHeader(http.StatusUnauthorized)
			case refuses == "token" && scope != "" && !strings.Contains(scope, ":known/"):
				w.WriteHeader(status)
				fmt.Fprint(w, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`)
			default:
				fmt.Fprint(w, `{"token":"t"}`)
			}
		case r.Header.Get("Authorization") != "Bearer t":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test"`, server.URL))
			w.WriteHeader(http.StatusUnauthorized)
		case hidden:
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(
				`Bearer realm="%s/token",service="test",scope="repository:hidden/new:pull",error="insufficient_scope"`, server.URL))
			w.WriteHeader(status)
		case r.URL.Path == "/v2/":
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// TestHiddenRepositories: many registries say of a repository that does not exist what they say of one that is
// another's. Where the login itself is taken, it is built, and the push decides; a login that is refused, or is none,
// stays an error.
func TestHiddenRepositories(t *testing.T) {
	for _, test := range []struct {
		name, refuses string
		status        int
	}{
		{"the registry says 401", "registry", http.StatusUnauthorized},
		{"the registry says 403", "registry", http.StatusForbidden},
		{"no token, 401", "token", http.StatusUnauthorized},
		{"no token, 403", "token", http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := hiding(t, test.refuses, test.status)
			for _, image := range []string{"/known/runner:new", "/hidden/new:v1"} {
				if got, err := New(config(host, "s3cr3t"), true).Has(t.Context(), host+image); got || err != nil {
					t.Errorf("%s: got %v, %v, want false: the push decides", image, got, err)
				}
			}
			for _, login := range []Login{config(host, "wr0ng"), config("example.com", "s3cr3t"), nil} {
				if got, err := New(login, true).Has(t.Context(), host+"/hidden/new:v1"); got || err == nil {
					t.Errorf("got %v, %v with a login that is not taken, want an error", got, err)
				}
			}
		})
	}
	t.Run("behind a password", func(t *testing.T) {
		host := forbidding(t)
		if got, err := New(config(host, "s3cr3t"), true).Has(t.Context(), host+"/hidden/new:v1"); got || err != nil {
			t.Errorf("got %v, %v, want false: the push decides", got, err)
		}
		if got, err := New(config(host, "wr0ng"), true).Has(t.Context(), host+"/hidden/new:v1"); got || err == nil {
			t.Errorf("got %v, %v with a wrong password, want an error", got, err)
		}
	})
}

// forbidding returns the host of a registry behind a password that forbids every repository.
func forbidding(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "epilogue" || password != "s3cr3t" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		} else if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
