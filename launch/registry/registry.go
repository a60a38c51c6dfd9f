// Package registry asks a container registry whether it holds an image. It keeps nothing.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Login returns a Docker config.json with what logs in to registries; nil: anonymously. It is asked each time, because
// logins change and lapse.
type Login func(ctx context.Context) ([]byte, error)

// Registry is any registry of the OCI distribution specification. Safe for concurrent use.
type Registry struct {
	login    Login
	insecure bool
}

// New makes a Registry. A nil login is anonymous; insecure is plain HTTP.
func New(login Login, insecure bool) *Registry { return &Registry{login: login, insecure: insecure} }

// patience bounds one question with its retries.
const patience = 30 * time.Second

// Has reports whether the registry holds the image of this full name. One that takes the login and yet refuses to show
// the repository hides what is not there, as Docker Hub, Quay and GHCR do with a repository before its first push: it
// does not hold the image, and the push decides. A login that is refused, or none where one is wanted, is an error:
// building what is there costs minutes, but taking a wrong password for a missing image would hide it until the push.
func (r *Registry) Has(ctx context.Context, image string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var options []name.Option
	if r.insecure {
		options = append(options, name.Insecure)
	}
	ref, err := name.ParseReference(image, options...)
	if err != nil {
		return false, fmt.Errorf("look for image %s: %w", image, err)
	}
	keys, err := r.keychain(ctx)
	if err != nil {
		return false, fmt.Errorf("look for image %s: %w", image, err)
	}
	_, err = remote.Head(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(keys))
	var refused *transport.Error
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusNotFound || hides(ctx, ref.Context(), keys, refused)) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for image %s: %w", image, err)
	}
	return true, nil
}

// hides reports whether a refusal is of this repository alone: 401 and 403, by the registry or by whoever gives its
// tokens, where the login itself is taken.
func hides(ctx context.Context, repository name.Repository, keys authn.Keychain, refused *transport.Error) bool {
	if refused.StatusCode != http.StatusUnauthorized && refused.StatusCode != http.StatusForbidden {
		return false
	}
	login, err := keys.Resolve(repository)
	return err == nil && login != authn.Anonymous && taken(ctx, repository.Registry, login)
}

// taken asks as docker login does: for a token without a scope, and with it, or with the password, for the API's root.
func taken(ctx context.Context, of name.Registry, login authn.Authenticator) bool {
	with, err := transport.NewWithContext(ctx, of, login, remote.DefaultTransport, nil)
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, of.Scheme()+"://"+of.RegistryStr()+"/v2/", nil)
	if err != nil {
		return false
	}
	resp, err := with.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Ready has nothing to do: a registry makes repositories by itself, and a builder that needs a login mounts the Secret.
func (r *Registry) Ready(context.Context, string) ([]byte, error) { return nil, nil }

func (r *Registry) keychain(ctx context.Context) (authn.Keychain, error) {
	if r.login == nil {
		return keychain{}, nil
	}
	text, err := r.login(ctx)
	if err != nil || len(text) == 0 {
		return keychain{}, err
	}
	return parseConfig(text)
}

// keychain holds the logins of a Docker config.json by registry.
type keychain map[string]authn.AuthConfig

// parseConfig reads a Docker config.json. The error repeats nothing of the text: it holds passwords.
func parseConfig(text []byte) (keychain, error) {
	var config struct {
		Auths map[string]authn.AuthConfig `json:"auths"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, errors.New(`read registry login: want a Docker config.json of the form {"auths": {"host": {"auth": "..."}}}`)
	}
	keys := keychain{}
	for host, auth := range config.Auths {
		keys[hostOf(host)] = auth
	}
	return keys, nil
}

// hostOf takes away what docker login writes around the host, as in https://index.docker.io/v1/.
func hostOf(key string) string {
	_, rest, found := strings.Cut(key, "://")
	if !found {
		rest = key
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// Resolve returns the login of a registry.
func (k keychain) Resolve(of authn.Resource) (authn.Authenticator, error) {
	if auth, ok := k[of.RegistryStr()]; ok {
		return authn.FromConfig(auth), nil
	}
	return authn.Anonymous, nil
}
