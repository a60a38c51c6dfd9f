package ecr

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	local "github.com/google/go-containerregistry/pkg/registry"
)

// amazon is ECR by its HTTP contract: JSON 1.1 with the operation in X-Amz-Target, and a registry that wants the login.
type amazon struct {
	t            *testing.T
	repositories map[string]bool
	logins       int
	refuses      string // error code of every answer; "": none
	token        string
	host         string
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/") || !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/ecr/aws4_request") {
		a.t.Errorf("got authorization %q, want a signature for ecr in eu-central-1", r.Header.Get("Authorization"))
	}
	var in struct {
		RepositoryName string `json:"repositoryName"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		a.t.Error(err)
	}
	fail := func(code string) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type": %q, "message": "no"}`, code)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch target := r.Header.Get("X-Amz-Target"); {
	case a.refuses != "":
		fail(a.refuses)
	case target == "AmazonEC2ContainerRegistry_V20150921.CreateRepository" && a.repositories[in.RepositoryName]:
		fail("RepositoryAlreadyExistsException")
	case target == "AmazonEC2ContainerRegistry_V20150921.CreateRepository":
		a.repositories[in.RepositoryName] = true
		fmt.Fprintf(w, `{"repository": {"repositoryName": %q}}`, in.RepositoryName)
	case target == "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken":
		a.logins++
		fmt.Fprintf(w, `{"authorizationData": [{"authorizationToken": %q, "expiresAt": %d, "proxyEndpoint": "https://%s"}]}`,
			a.token, time.Now().Add(12*time.Hour).Unix(), a.host)
	default:
		a.t.Errorf("got operation %q", target)
	}
}

func setUp(t *testing.T) (*amazon, *Registry) {
	t.Helper()
	inner := local.New(local.Logger(log.New(io.Discard, "", 0)))
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "AWS" || password != "s3cr3t" {
			w.Header().Set("WWW-Authenticate", `Basic realm="ecr"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(images.Close)
	a := &amazon{
		t: t, repositories: map[string]bool{}, token: base64.StdEncoding.EncodeToString([]byte("AWS:s3cr3t")),
		host: strings.TrimPrefix(images.URL, "http://"),
	}
	api := httptest.NewServer(a)
	t.Cleanup(api.Close)
	client := ecr.New(ecr.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(api.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	return a, newRegistry(client, true)
}

func TestReadyCreatesTheRepositoryOnce(t *testing.T) {
	a, r := setUp(t)
	image := a.host + "/zenml/zenml-runner:0a1b"
	if there, err := r.Has(t.Context(), image); there || err != nil {
		t.Fatalf("got %v, %v, want none", there, err)
	}
	for range 2 {
		login, err := r.Ready(t.Context(), image)
		want := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, a.host, a.token)
		if err != nil || string(login) != want {
			t.Errorf("got %s, %v, want %s", login, err, want)
		}
	}
	if len(a.repositories) != 1 || !a.repositories["zenml/zenml-runner"] {
		t.Errorf("got repositories %v, want zenml/zenml-runner", a.repositories)
	}
	if a.logins != 1 {
		t.Errorf("logged in %d times, want once", a.logins)
	}
	r.now = func() time.Time { return time.Now().Add(11 * time.Hour) }
	if _, err := r.Ready(t.Context(), image); err != nil || a.logins != 2 {
		t.Errorf("got %v after %d logins, want a new one before the old one lapses", err, a.logins)
	}
}

func TestRefusalsAreTold(t *testing.T) {
	a, r := setUp(t)
	a.refuses = "AccessDeniedException"
	if _, err := r.Ready(t.Context(), a.host+"/a:b"); err == nil || !strings.Contains(err.Error(), "create repository a in ECR") {
		t.Errorf("got %v, want one that names the repository", err)
	}
	if _, err := r.Has(t.Context(), a.host+"/a:b"); err == nil || !strings.Contains(err.Error(), "log in to ECR") {
		t.Errorf("got %v, want one that names the login", err)
	}
	a.refuses, a.token = "", "s3cr3t, but not base64"
	if _, err := r.Ready(t.Context(), a.host+"/a:b"); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("got %v, want an error without the token", err)
	}
}

func TestIs(t *testing.T) {
	for host, want := range map[string]bool{
		"339712793861.dkr.ecr.eu-central-1.amazonaws.com": true, "339712793861.dkr-ecr.eu-central-1.on.aws": true,
		"registry.example.com/zenml": false, "public.ecr.aws/zenml": false,
	} {
		if got := Is(host); got != want {
			t.Errorf("%s: got %v, want %v", host, got, want)
		}
	}
}
