package access

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reviewer plays the API server: it knows tokens by what they are for, and rights by user and act.
type reviewer struct {
	mu      sync.Mutex
	aware   bool // of audiences
	broken  error
	tokens  []authenticationv1.TokenReviewSpec
	acts    []authorizationv1.SubjectAccessReviewSpec
	allowed map[string]bool // "jane get pods/log jobs"
	wait    chan struct{}   // nil: answers at once
	slow    time.Duration   // how long it thinks about a token
	lost    string          // a token that is good no more
}

type playedTokens struct{ *reviewer }

func (p playedTokens) Create(_ context.Context, t *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	t = t.DeepCopy()
	return t, p.token(t)
}

type playedActs struct{ *reviewer }

func (p playedActs) Create(_ context.Context, s *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	s = s.DeepCopy()
	return s, p.act(s)
}

func (r *reviewer) reviews() *Reviews { return newReviews(playedTokens{r}, playedActs{r}, "epilogue") }

func (r *reviewer) token(t *authenticationv1.TokenReview) error {
	r.mu.Lock()
	r.tokens = append(r.tokens, t.Spec)
	wait, slow := r.wait, r.slow
	r.mu.Unlock()
	if wait != nil {
		<-wait
	}
	time.Sleep(slow) // only in a bubble
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	asked := t.Spec.Audiences
	if len(asked) == 0 {
		asked = []string{"https://kubernetes"}
	}
	claimed := claimedAudiences(t.Spec.Token)
	if len(claimed) == 0 {
		claimed = []string{"https://kubernetes"} // an opaque token of somebody's
	}
	common := func() (both []string) {
		for _, a := range asked {
			if slices.Contains(claimed, a) {
				both = append(both, a)
			}
		}
		return both
	}()
	if strings.HasPrefix(t.Spec.Token, "wrong") || t.Spec.Token == r.lost || len(common) == 0 && r.aware {
		return nil
	}
	t.Status.Authenticated = true
	t.Status.User = authenticationv1.UserInfo{Username: "jane", UID: "1", Groups: []string{"team"}, Extra: map[string]authenticationv1.ExtraValue{"scopes": {"a"}}}
	if r.aware {
		t.Status.Audiences = common
	}
	return nil
}

func (r *reviewer) act(s *authorizationv1.SubjectAccessReview) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acts = append(r.acts, s.Spec)
	if r.broken != nil {
		return r.broken
	}
	if p := s.Spec.NonResourceAttributes; p != nil {
		s.Status.Allowed = s.Spec.ResourceAttributes == nil && r.allowed[fmt.Sprintf("%s %s %s", s.Spec.User, p.Verb, p.Path)]
		return nil
	}
	a := s.Spec.ResourceAttributes
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	s.Status.Allowed = r.allowed[fmt.Sprintf("%s %s %s %s", s.Spec.User, a.Verb, resource, a.Namespace)]
	return nil
}

func (r *reviewer) asked() (tokens, acts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tokens), len(r.acts)
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// jwt is a token whose claims say what follows. Its signature is nobody's.
func jwt(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"RS256"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("signature"))
}

func TestUser(t *testing.T) {
	tests := []struct {
		name    string
		header  http.Header
		unaware bool
		broken  error
		want    string   // user
		code    int      // 0: none
		asked   []string // audiences of the review
	}{
		{"API server's audience", bearer(jwt(`{"aud":["https://kubernetes"]}`)), false, nil, "jane", 0, nil},
		{"our audience", bearer(jwt(`{"aud":["epilogue"]}`)), false, nil, "jane", 0, []string{"epilogue"}},
		{"our audience alone", bearer(jwt(`{"aud":"epilogue"}`)), false, nil, "jane", 0, []string{"epilogue"}},
		{"both", bearer(jwt(`{"aud":["https://kubernetes","epilogue"]}`)), false, nil, "jane", 0, []string{"epilogue"}},
		{"another audience", bearer(jwt(`{"aud":["vault"]}`)), false, nil, "", 401, nil},
		{"no JWT", bearer("opaque"), false, nil, "jane", 0, nil},
		{"server knows no audiences", bearer(jwt(`{"aud":["epilogue"]}`)), true, nil, "", 401, []string{"epilogue"}},
		{"wrong token", bearer("wrong"), false, nil, "", 401, nil},
		{"scheme in small letters", http.Header{"Authorization": {"bearer  opaque "}}, false, nil, "jane", 0, nil},
		{"no header", http.Header{}, false, nil, "", 401, nil},
		{"basic", http.Header{"Authorization": {"Basic amFuZTo="}}, false, nil, "", 401, nil},
		{"no token", http.Header{"Authorization": {"Bearer"}}, false, nil, "", 401, nil},
		{"endless token", bearer(strings.Repeat("x", maxToken+1)), false, nil, "", 401, nil},
		{"API server is down", bearer("opaque"), false, errors.New("connection refused"), "", 503, nil},
		{"daemon may not ask", bearer("opaque"), false, apierrors.NewForbidden(authenticationv1.Resource("tokenreviews"), "", errors.New("no")), "", 503, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &reviewer{aware: !test.unaware, broken: test.broken}
			user, err := r.reviews().User(t.Context(), test.header)
			if user.Name != test.want || codeOf(err) != test.code {
				t.Errorf("got user %q, code %d (%v), want %q, %d", user.Name, codeOf(err), err, test.want, test.code)
			}
			var status apierrors.APIStatus
			if test.broken != nil && (!errors.As(err, &status) || strings.Contains(status.Status().Message, test.broken.Error())) {
				t.Errorf("got %v, want a Status that does not tell strangers %q", err, test.broken)
			}
			if len(r.tokens) > 0 && !slices.Equal(r.tokens[0].Audiences, test.asked) {
				t.Errorf("asked for audiences %v, want %v", r.tokens[0].Audiences, test.asked)
			}
			if token := strings.TrimPrefix(test.header.Get("Authorization"), "Bearer "); err != nil && token != "" && strings.Contains(err.Error(), token) && len(token) > 8 {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func codeOf(err error) int {
	if err == nil {
		return 0
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return -1
	}
	return int(status.Status().Code)
}

func TestMay(t *testing.T) {
	jane := User{Name: "jane", UID: "1", Groups: []string{"team"}, Extra: map[string]authorizationv1.ExtraValue{"scopes": {"a"}}}
	r := &reviewer{allowed: map[string]bool{"jane get pods/log jobs": true}}
	reviews := r.reviews()
	if err := reviews.May(t.Context(), jane, ReadLogs.In("jobs", "pod-1")); err != nil {
		t.Errorf("got %v, want it allowed", err)
	}
	want := authorizationv1.ResourceAttributes{Verb: "get", Version: "v1", Resource: "pods", Subresource: "log", Namespace: "jobs", Name: "pod-1"}
	if got := *r.acts[0].ResourceAttributes; got != want {
		t.Errorf("asked %+v, want %+v", got, want)
	}
	if got := r.acts[0]; got.User != "jane" || got.UID != "1" || !slices.Equal(got.Groups, jane.Groups) || len(got.Extra["scopes"]) != 1 {
		t.Errorf("asked for %+v, want all of the user", got)
	}
	err := reviews.May(t.Context(), jane, ListPods.In("jobs", ""))
	if got, want := codeOf(err), 403; got != want {
		t.Errorf("got code %d, want %d", got, want)
	}
	if got, want := err.Error(), `User "jane" cannot list resource "pods" in API group "" in the namespace "jobs"`; !strings.Contains(got, want) {
		t.Errorf("got %q, want it to hold %q", got, want)
	}
	r.allowed["jane get /metrics"] = true
	if err := reviews.May(t.Context(), jane, ReadMetrics); err != nil {
		t.Errorf("got %v, want the path allowed", err)
	}
	delete(r.allowed, "jane get /metrics")
	err = reviews.May(t.Context(), User{Name: "joe"}, ReadMetrics)
	if got, want := fmt.Sprint(codeOf(err), err), `User "joe" cannot get path "/metrics"`; !strings.HasPrefix(got, "403") || !strings.Contains(got, want) {
		t.Errorf("got %q, want a 403 with %q", got, want)
	}
	r.broken = errors.New("down")
	if got, want := codeOf(reviews.May(t.Context(), jane, ListPods.In("others", ""))), 503; got != want {
		t.Errorf("got code %d, want %d", got, want)
	}
}

// TestAnswersAreKeptForAWhile: and no longer, so that who loses a right loses it here too.
func TestAnswersAreKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reviewer{aware: true, allowed: map[string]bool{"jane get pods/log jobs": true}}
		reviews := r.reviews()
		ask := func() {
			user, _ := reviews.User(t.Context(), bearer("opaque"))
			_, _ = reviews.User(t.Context(), bearer("wrong"))
			_ = reviews.May(t.Context(), user, ReadLogs.In("jobs", ""))
			_ = reviews.May(t.Context(), user, ListPods.In("jobs", ""))
		}
		steps := []struct {
			after        time.Duration
			tokens, acts int
		}{
			{0, 2, 2},
			{5 * time.Second, 2, 2},
			{6 * time.Second, 3, 2},  // the wrong token
			{25 * time.Second, 4, 3}, // and again, and the denial
			{30 * time.Second, 6, 3}, // both tokens
			{4 * time.Minute, 8, 5},  // both tokens, the denial, and after five minutes the allowance
			// Both tokens, the denial, and beside the answer the allowance, which is nearly over.
			{4 * time.Minute, 10, 7},
		}
		for _, step := range steps {
			time.Sleep(step.after)
			ask()
			synctest.Wait() // also for what is asked beside the answers
			if tokens, acts := r.asked(); tokens != step.tokens || acts != step.acts {
				t.Errorf("after %s more: asked for %d tokens, %d acts, want %d, %d", step.after, tokens, acts, step.tokens, step.acts)
			}
		}
		// The right is taken away: it ends five minutes after it was seen, at the latest.
		r.allowed = nil
		time.Sleep(allowedFor + time.Second)
		user, _ := reviews.User(t.Context(), bearer("opaque"))
		if got, want := codeOf(reviews.May(t.Context(), user, ReadLogs.In("jobs", ""))), 403; got != want {
			t.Errorf("five minutes after the right went: got code %d, want %d", got, want)
		}
	})
}

// TestUsersAreToldApart: one user's right must never be another's, also where their fields read alike in a row.
func TestUsersAreToldApart(t *testing.T) {
	users := []User{
		{Name: "a", UID: "b"}, {Name: "ab"}, {Name: "a", Groups: []string{"b"}}, {Name: "a", Groups: []string{"b", "c"}},
		{Name: "a", Groups: []string{"bc"}}, {Name: "a", Extra: map[string]authorizationv1.ExtraValue{"b": {"c"}}},
		{Name: "a", Extra: map[string]authorizationv1.ExtraValue{"b": {}, "c": {}}}, {Name: "a", Groups: []string{"b", "1", "c"}},
		{Name: "a", Groups: []string{"b"}, Extra: map[string]authorizationv1.ExtraValue{"c": {}}},
	}
	r := &reviewer{}
	reviews := r.reviews()
	for n, user := range users {
		_ = reviews.May(t.Context(), user, ListPods.In("jobs", ""))
		if _, acts := r.asked(); acts != n+1 {
			t.Errorf("user %d %+v was taken for another one", n, user)
		}
	}
}

// TestOneQuestionForMany: a hundred requests with one token that nobody knows yet ask once, and one that leaves does
// not take the answer from the others.
func TestOneQuestionForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reviewer{aware: true, wait: make(chan struct{})}
		reviews := r.reviews()
		leaving, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		errs := make(chan error, 100)
		group.Go(func() { _, _ = reviews.User(leaving, bearer("opaque")) })
		synctest.Wait()
		for range 100 {
			group.Go(func() {
				_, err := reviews.User(t.Context(), bearer("opaque"))
				errs <- err
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		close(r.wait)
		group.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Errorf("got %v, want an answer", err)
			}
		}
		if tokens, _ := r.asked(); tokens != 1 {
			t.Errorf("asked %d times, want 1", tokens)
		}
	})
}

// TestFloodOfTokensIsHeldBack: wrong tokens by the thousand do not reach the API server all at once, and are not kept
// for ever.
func TestFloodOfTokensIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reviewer{wait: make(chan struct{})}
		reviews := r.reviews()
		var group sync.WaitGroup
		for n := range maxUsers + 100 {
			group.Go(func() { _, _ = reviews.User(t.Context(), bearer(fmt.Sprintf("wrong-%d", n))) })
		}
		synctest.Wait()
		if tokens, _ := r.asked(); tokens != maxStrange {
			t.Errorf("%d reviews at once, want %d", tokens, maxStrange)
		}
		close(r.wait)
		group.Wait()
		if tokens, _ := r.asked(); tokens != maxWaitingOne {
			t.Errorf("%d reviews in all, want the %d that one address may have waiting", tokens, maxWaitingOne)
		}
		if got := len(reviews.users.Keys()); got > 0 {
			t.Errorf("%d wrong tokens are among the known, want none", got)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add("Bearer " + jwt(`{"aud":["epilogue"]}`))
	f.Add("bearer a.b.c")
	f.Fuzz(func(t *testing.T, value string) {
		token, err := Token(http.Header{"Authorization": {value}})
		if (token == "") == (err == nil) {
			t.Errorf("%q: got token %q and error %v, want one of them", value, token, err)
		}
		claimedAudiences(token)
	})
}
