package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Use says what somebody is going to do with rights in one place.
type Use struct {
	Namespace string // metav1.NamespaceAll: the cluster
	Rights    []Right
	Without   string // what does not work without them
	Vital     bool   // nothing works without them
}

// Lack is one right that is missing.
type Lack struct {
	Right
	Use Use
}

func (l Lack) String() string {
	return fmt.Sprintf("%s %s (%s)", l.Right, Place(l.Use.Namespace), l.For)
}

// Place names where a right holds.
func Place(namespace string) string {
	if namespace == metav1.NamespaceAll {
		return "in the cluster"
	}
	return "in " + namespace
}

// askers is how many questions are under way at once, and askTimeout the time of one.
const (
	askers     = 8
	askTimeout = 10 * time.Second
)

// Missing asks the API server which of the rights the caller has not, and returns all of them, in the order of the
// table. Everybody who has logged in may ask that of himself. An error says that it is not known.
func Missing(ctx context.Context, client kubernetes.Interface, uses ...Use) ([]Lack, error) {
	var wanted []Lack
	for _, u := range uses {
		for _, r := range u.Rights {
			wanted = append(wanted, Lack{r, u})
		}
	}
	allowed := make([]bool, len(wanted))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(askers)
	for i, w := range wanted {
		g.Go(func() (err error) {
			allowed[i], err = Allowed(ctx, client, w.In(w.Use.Namespace))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var missing []Lack
	for i, w := range wanted {
		if !allowed[i] {
			missing = append(missing, w)
		}
	}
	return missing, nil
}

// Allowed asks one question about the caller.
func Allowed(ctx context.Context, client kubernetes.Interface, what *authorizationv1.ResourceAttributes) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: what}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask for the right to %s %s: %w", what.Verb, what.Resource, err)
	}
	return answer.Status.Allowed, nil
}

// Vital reports whether one of the rights is one without which nothing works.
func Vital(missing []Lack) bool {
	return slices.ContainsFunc(missing, func(l Lack) bool { return l.Use.Vital })
}

// Text names rights in one line, and after those of one use what does not work without them.
func Text(missing []Lack) string {
	var parts []string
	for i, l := range missing {
		part := l.String()
		if i+1 == len(missing) || missing[i+1].Use.Without != l.Use.Without {
			part += ": " + l.Use.Without
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}
