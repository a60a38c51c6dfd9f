// Package ecr keeps images in Amazon's Elastic Container Registry, which wants a repository before it takes an image,
// and a login that lapses. Credentials come from the AWS chain.
package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/epilogue-dev/epilogue/launch/registry"
)

// Registry is one account's registry. Safe for concurrent use.
type Registry struct {
	client *ecr.Client
	images *registry.Registry
	now    func() time.Time

	mu     sync.Mutex
	login  []byte    // guarded by mu; a Docker config.json
	lapses time.Time // guarded by mu
}

// hosts are the names of registries in ECR, private ones.
var hosts = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr[.-]`)

// Is reports whether a registry is one of ECR's.
func Is(host string) bool { return hosts.MatchString(host) }

// Open makes a Registry of a region; "" is the chain's. It asks nobody yet.
func Open(ctx context.Context, region string) (*Registry, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, fmt.Errorf("open ECR: %w", err)
	}
	return newRegistry(ecr.NewFromConfig(cfg), false), nil
}

func newRegistry(client *ecr.Client, insecure bool) *Registry {
	r := &Registry{client: client, now: time.Now}
	r.images = registry.New(r.token, insecure)
	return r
}

// patience bounds one request to AWS with its retries.
const patience = 30 * time.Second

// Has reports whether the registry holds the image. A repository that is missing holds none.
func (r *Registry) Has(ctx context.Context, image string) (bool, error) {
	return r.images.Has(ctx, image)
}

// Ready creates the image's repository where it is missing, and returns a login that holds for hours.
func (r *Registry) Ready(ctx context.Context, image string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	repository := repositoryOf(image)
	_, err := r.client.CreateRepository(limited, &ecr.CreateRepositoryInput{RepositoryName: aws.String(repository)})
	var exists *types.RepositoryAlreadyExistsException
	if err != nil && !errors.As(err, &exists) {
		return nil, fmt.Errorf("create repository %s in ECR: %w", repository, err)
	}
	return r.token(ctx)
}

// repositoryOf takes host and tag away.
func repositoryOf(image string) string {
	_, path, _ := strings.Cut(image, "/")
	path, _, _ = strings.Cut(path, "@")
	path, _, _ = strings.Cut(path, ":")
	return path
}

// ahead is how long a login must hold for it to be given away once more: a build takes its time before it pushes.
const ahead = 2 * time.Hour

// token returns the login as a Docker config.json, of the chain's account.
func (r *Registry) token(ctx context.Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.login != nil && r.now().Add(ahead).Before(r.lapses) {
		return r.login, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := r.client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return nil, fmt.Errorf("log in to ECR: %w", err)
	}
	if len(out.AuthorizationData) == 0 {
		return nil, errors.New("log in to ECR: it gave no login")
	}
	data := out.AuthorizationData[0]
	token := aws.ToString(data.AuthorizationToken)
	if _, err := base64.StdEncoding.DecodeString(token); err != nil || token == "" {
		return nil, errors.New("log in to ECR: it gave a login that is none") // without the text: it is a password
	}
	host := strings.TrimPrefix(strings.TrimPrefix(aws.ToString(data.ProxyEndpoint), "https://"), "http://")
	text, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": token}}})
	if err != nil {
		return nil, fmt.Errorf("log in to ECR: %w", err)
	}
	r.login, r.lapses = text, aws.ToTime(data.ExpiresAt)
	return text, nil
}
