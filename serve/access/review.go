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
	knownFor = time.Minute
	// A token that is wrong stays wrong; one that the API server did not know yet may be known soon.
	unknownFor = 10 * time.Second
	allowedFor = 5 * time.Minute
	deniedFor  = 30 * time.Second
)

// What is asked for still is asked again, beside the answers, in the last part of its time: who comes often never
// waits.
const refreshPart = 4

// rememberedFor is how long somebody whose token was good is no stranger. It says whose turn it is, and lets nobody in.
const rememberedFor = 8 * time.Hour

const (
	maxUsers   = 4096  // whose tokens are remembered
	maxRefused = 4096  // tokens that are remembered as wrong: they have no room among the good ones
	maxRights  = 16384 // rights that are remembered
	maxDenied  = 16384 // denials that are remembered
	maxReviews = 16    // reviews under way at once for those who are known
	// maxStrange is the same for tokens that nobody knows. It is small: the API server, and the rate at which it is
	// asked, are shared with those who are known.
	maxStrange    = 8
	maxWaiting    = 1024 // requests with such tokens that wait, and tokens
	maxWaitingOne = 256  // of these from one address
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
	flights  singleflight.Group

	users, refused *cache.LRUExpireCache // known, by token
	rights, denied *cache.LRUExpireCache // right and denial, by user and act
	slots, strange chan struct{}         // reviews under way: for those who are known, and for the others
	waiting        *strangers            // requests with tokens that nobody knows
	// Such tokens, each until it is answered for: who leaves does not make room for another one.
	asking *strangers
}

// known is whose a token was found to be.
type known struct {
	user  User
	until time.Time // no longer is it taken for true
}

// right is an act that was found to be allowed.
type right struct{ until time.Time }

// stale says that it is time to ask again, so that the answer is there before this one is over.
func stale(until time.Time, life time.Duration) bool { return time.Until(until) < life/refreshPart }

// NewReviews makes Reviews. It takes tokens for the API server's own audience, which are what kubectl has, and tokens
// for the given one, which are of no use to a thief elsewhere. No others.
func NewReviews(client kubernetes.Interface, audience string) *Reviews {
	return newReviews(client.AuthenticationV1().TokenReviews(), client.AuthorizationV1().SubjectAccessReviews(), audience)
}

func newReviews(tokens tokenReviews, acts accessReviews, audience string) *Reviews {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	return &Reviews{
		tokens: tokens, acts: acts, audience: audience, secret: secret,
		users: cache.NewLRUExpireCache(maxUsers), refused: cache.NewLRUExpireCache(maxRefused),
		rights: cache.NewLRUExpireCache(maxRights), denied: cache.NewLRUExpireCache(maxDenied),
		slots: make(chan struct{}, maxReviews), strange: make(chan struct{}, maxStrange),
		waiting: newStrangers(maxWaiting, maxWaitingOne), asking: newStrangers(maxWaiting, maxWaitingOne),
	}
}

// User says whose token the request carries. Errors: a Status of 401 where it carries none that counts, of 429 where
// too many wait with tokens that nobody knows, of 503 where the API server could not be asked.
func (r *Reviews) User(ctx context.Context, header http.Header) (User, error) {
	token, err := Token(header)
	if err != nil {
		return User{}, err
	}
	key := r.key("token", token)
	ask := func(ctx context.Context) (any, error) { return r.reviewToken(ctx, key, token) }
	if got, ok := r.users.Get(key); ok {
		k := got.(known)
		if time.Now().Before(k.until) {
			if stale(k.until, knownFor) {
				r.begin(ctx, r.slots, key, ask)
			}
			return k.user, nil
		}
		return userOf(r.once(ctx, r.slots, key, ask))
	}
	if got, ok := r.refused.Get(key); ok {
		return User{}, got.(error)
	}
	leave, err := r.waiting.enter(source(ctx))
	if err != nil {
		return User{}, err
	}
	defer leave()
	return userOf(r.once(ctx, r.strange, key, ask))
}

func userOf(answer any, err error) (User, error) {
	if err != nil {
		return User{}, err
	}
	return answer.(User), nil
}

// reviewToken asks one question for one token: the token's own claim, which nobody has checked yet, only decides which.
func (r *Reviews) reviewToken(ctx context.Context, key, token string) (User, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if slices.Contains(claimedAudiences(token), r.audience) {
		review.Spec.Audiences = []string{r.audience}
	}
	got, err := r.tokens.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return User{}, unavailable("ask the API server whose token this is", err)
	}
	s := got.Status
	// An API server that knows nothing of audiences would pass a token for anybody: it says so by naming none.
	for _, asked := range review.Spec.Audiences {
		s.Authenticated = s.Authenticated && slices.Contains(s.Audiences, asked)
	}
	if !s.Authenticated || s.User.Username == "" {
		refusal := apierrors.NewUnauthorized(fmt.Sprintf(
			"the API server does not accept this token; want one that is valid now, for the API server's own audience or for %q", r.audience))
		r.users.Remove(key)
		r.refused.Add(key, refusal, unknownFor)
		return User{}, refusal
	}
	user := User{Name: s.User.Username, UID: s.User.UID, Groups: s.User.Groups, Extra: map[string]authorizationv1.ExtraValue{}}
	for name, values := range s.User.Extra {
		user.Extra[name] = authorizationv1.ExtraValue(values)
	}
	r.users.Add(key, known{user, time.Now().Add(knownFor)}, rememberedFor)
	return user, nil
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

// May reports whether the user may do it. Errors: a Status of 403 that names user and right, of 503 where the API
// server could not be asked.
func (r *Reviews) May(ctx context.Context, user User, act Act) error {
	key := r.key(append([]string{"act", act.Verb, act.Group, act.Resource, act.Subresource, act.Namespace, act.Name, act.Path}, user.fields()...)...)
	ask := func(ctx context.Context) (any, error) { return nil, r.reviewAct(ctx, key, user, act) }
	if got, ok := r.rights.Get(key); ok {
		if stale(got.(right).until, allowedFor) {
			r.begin(ctx, r.slots, key, ask)
		}
		return nil
	}
	if got, ok := r.denied.Get(key); ok {
		return got.(error)
	}
	_, err := r.once(ctx, r.slots, key, ask)
	return err
}

func (r *Reviews) reviewAct(ctx context.Context, key string, user User, act Act) error {
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
		return unavailable("ask the API server what the user may do", err)
	}
	if got.Status.Allowed && !got.Status.Denied {
		r.rights.Add(key, right{time.Now().Add(allowedFor)}, allowedFor)
		return nil
	}
	denial := forbidden(user, act, got.Status.Reason)
	r.rights.Remove(key)
	r.denied.Add(key, denial, deniedFor)
	return denial
}

// once asks a question once for all who wait for its answer. The answer is kept even if the one who asked has left.
func (r *Reviews) once(ctx context.Context, slots chan struct{}, key string, ask func(context.Context) (any, error)) (any, error) {
	select {
	case answer := <-r.begin(ctx, slots, key, ask):
		return answer.Val, answer.Err
	case <-ctx.Done():
		return nil, unavailable("wait for the API server", ctx.Err())
	}
}

// begin asks a question unless it is being asked already. It ends by itself, whoever listens.
func (r *Reviews) begin(ctx context.Context, slots chan struct{}, key string, ask func(context.Context) (any, error)) <-chan singleflight.Result {
	return r.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewTimeout)
		defer cancel()
		if slots == r.strange {
			leave, err := r.asking.enter(source(ctx))
			if err != nil {
				return nil, err
			}
			defer leave()
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return nil, unavailable("wait to ask the API server", ctx.Err())
		}
		return ask(ctx)
	})
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
