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

// serve gives the host of a registry that holds runner:there, behind a password where one is given.
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
