package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
)

// How long an answer of the API server is taken for true. Who loses a right keeps it here for so long at most.
const (
	knownFor   = time.Minute
	unknownFor = 10 * time.Second // a token that is wrong stays wrong; one that the API server did not know yet may be known soon
	allowedFor = 5 * time.Minute
	deniedFor  = 30 * time.Second
)

const (
	maxUsers   = 4096  // whose tokens are remembered
	maxRights  = 16384 // answers that are remembered
	maxReviews = 16    // reviews under way at once: beyond that requests wait, so that a flood of wrong tokens stays here
	// reviewTimeout bounds one review. It does not end with the request: others may wait for the same answer.
	reviewTimeout = 10 * time.Second
)

type tokenReviews interface {
	Create(context.Context, *authenticationv1.TokenReview, metav1.CreateOptions) (*authenticationv1.TokenReview, error)
}

type accessReviews interface {
	Create(context.Context, *authorizationv1.SubjectAccessReview, metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error)
}

// Reviews asks the API server. Safe for concurrent use.
type Reviews struct {
	tokens   tokenReviews
	acts     accessReviews
	audience string
	secret   []byte // keys of the caches are hashed with it
	users    *cache.LRUExpireCache
	rights   *cache.LRUExpireCache
	flights  singleflight.Group
	slots    chan struct{}
}

// NewReviews makes Reviews. It takes tokens for the API server's own audience, which are what kubectl has, and tokens for
// the given one, which are of no use to a thief elsewhere. No others.
func NewReviews(client kubernetes.Interface, audience string) *Reviews {
	return newReviews(client.AuthenticationV1().TokenReviews(), client.AuthorizationV1().SubjectAccessReviews(), audience)
}

func newReviews(tokens tokenReviews, acts accessReviews, audience string) *Reviews {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	return &Reviews{
		tokens: tokens, acts: acts, audience: audience, secret: secret, slots: make(chan struct{}, maxReviews),
		users: cache.NewLRUExpireCache(maxUsers), rights: cache.NewLRUExpireCache(maxRights),
	}
}

// whose is the remembered answer to a token; err is nil or a Status of 401.
type whose struct {
	user User
	err  error
}

// User says whose token the request carries. Errors: a Status of 401 where it carries none that counts, of 503 where the API
// server could not be asked.
func (r *Reviews) User(ctx context.Context, header http.Header) (User, error) {
	token, err := Token(header)
	if err != nil {
		return User{}, err
	}
	key := r.key("token", token)
	if known, ok := r.users.Get(key); ok {
		return known.(whose).user, known.(whose).err
	}
	answer, err := r.once(ctx, key, func(ctx context.Context) (any, error) { return r.reviewToken(ctx, key, token) })
	if err != nil {
		return User{}, err
	}
	return answer.(whose).user, answer.(whose).err
}

// reviewToken asks one question for one token: the token's own claim, which nobody has checked yet, only decides which.
func (r *Reviews) reviewToken(ctx context.Context, key, token string) (whose, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if slices.Contains(claimedAudiences(token), r.audience) {
		review.Spec.Audiences = []string{r.audience}
	}
	got, err := r.tokens.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return whose{}, unavailable("ask the API server whose token this is", err)
	}
	s := got.Status
	// An API server that knows nothing of audiences would pass a token for anybody: it says so by naming none.
	for _, asked := range review.Spec.Audiences {
		s.Authenticated = s.Authenticated && slices.Contains(s.Audiences, asked)
	}
	if !s.Authenticated || s.User.Username == "" {
		w := whose{err: apierrors.NewUnauthorized(fmt.Sprintf(
			"the API server does not accept this token; want one that is valid now, for the API server's own audience or for %q", r.audience))}
		r.users.Add(key, w, unknownFor)
		return w, nil
	}
	w := whose{user: User{Name: s.User.Username, UID: s.User.UID, Groups: s.User.Groups, Extra: map[string]authorizationv1.ExtraValue{}}}
	for name, values := range s.User.Extra {
		w.user.Extra[name] = authorizationv1.ExtraValue(values)
	}
	r.users.Add(key, w, knownFor)
	return w, nil
}

// claimedAudiences reads the audiences that a token says it is for; none where it is not a JWT.
func claimedAudiences(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var many struct{ Aud []string }
	if json.Unmarshal(text, &many) == nil {
		return many.Aud
	}
	var one struct{ Aud string }
	if json.Unmarshal(text, &one) == nil {
		return []string{one.Aud}
	}
	return nil
}

// denial is the remembered answer to an act; nil: allowed.
type denial struct{ err error }

// May says whether the user may do it. Errors: a Status of 403 that names user and right, of 503 where the API server could
// not be asked.
func (r *Reviews) May(ctx context.Context, user User, act Act) error {
	key := r.key(append([]string{"act", act.Verb, act.Group, act.Resource, act.Subresource, act.Namespace, act.Name, act.Path}, user.fields()...)...)
	if known, ok := r.rights.Get(key); ok {
		return known.(denial).err
	}
	answer, err := r.once(ctx, key, func(ctx context.Context) (any, error) { return r.reviewAct(ctx, key, user, act) })
	if err != nil {
		return err
	}
	return answer.(denial).err
}

func (r *Reviews) reviewAct(ctx context.Context, key string, user User, act Act) (denial, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Name, UID: user.UID, Groups: user.Groups, Extra: user.Extra,
	}}
	if act.Path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: act.Verb, Path: act.Path}
	} else {
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: act.Verb, Group: act.Group, Version: "v1", Resource: act.Resource, Subresource: act.Subresource,
			Namespace: act.Namespace, Name: act.Name,
		}
	}
	got, err := r.acts.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return denial{}, unavailable("ask the API server what the user may do", err)
	}
	if got.Status.Allowed && !got.Status.Denied {
		r.rights.Add(key, denial{}, allowedFor)
		return denial{}, nil
	}
	d := denial{forbidden(user, act, got.Status.Reason)}
	r.rights.Add(key, d, deniedFor)
	return d, nil
}

// once asks a question once for all who wait for its answer. The answer is kept even if the one who asked has left.
func (r *Reviews) once(ctx context.Context, key string, ask func(context.Context) (any, error)) (any, error) {
	answers := r.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewTimeout)
		defer cancel()
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		case <-ctx.Done():
			return nil, unavailable("wait to ask the API server", ctx.Err())
		}
		return ask(ctx)
	})
	select {
	case answer := <-answers:
		return answer.Val, answer.Err
	case <-ctx.Done():
		return nil, unavailable("wait for the API server", ctx.Err())
	}
}

// unavailable is a Status of 503: the caller did nothing wrong and may come again.
func unavailable(what string, err error) error {
	status := apierrors.NewServiceUnavailable(fmt.Sprintf("%s: %v", what, err))
	status.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 5}
	return status
}

// fields are what makes the user another one for the authorizer.
func (u User) fields() []string {
	fields := append([]string{u.Name, u.UID, strconv.Itoa(len(u.Groups))}, u.Groups...)
	for _, name := range slices.Sorted(maps.Keys(u.Extra)) {
		fields = append(append(fields, name, strconv.Itoa(len(u.Extra[name]))), u.Extra[name]...)
	}
	return fields
}

// key hashes texts, so that no token stays in memory and no two lists of texts read the same.
func (r *Reviews) key(texts ...string) string {
	sum := hmac.New(sha256.New, r.secret)
	for _, text := range texts {
		addTo(sum, text)
	}
	return string(sum.Sum(nil))
}

func addTo(sum hash.Hash, text string) {
	fmt.Fprintf(sum, "%d:%s", len(text), text)
}
