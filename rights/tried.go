package rights

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// nobody is a name that no pod has. Whoever may not read it is told so, and whoever may that it is not there.
const nobody = "epilogue-asks-whether-it-may"

// Refused finds out which of the rights the caller has not by using them: a review is an object that is created, and
// who promises to create none cannot ask for it. It knows rights to get, list and watch, and writes nothing. An error
// says that it is not known.
func Refused(ctx context.Context, server rest.Interface, uses ...Use) ([]Lack, error) {
	var missing []Lack
	for _, u := range uses {
		for _, r := range u.Rights {
			allowed, err := used(ctx, server, r, u.Namespace)
			if err != nil {
				return nil, fmt.Errorf("try to %s %s: %w", r, Place(u.Namespace), err)
			}
			if !allowed {
				missing = append(missing, Lack{r, u})
			}
		}
	}
	return missing, nil
}

// used makes the one request for which the right is needed. Of a list it takes one item, of a watch nothing.
func used(ctx context.Context, server rest.Interface, r Right, namespace string) (bool, error) {
	path := []string{"/api/v1"}
	if r.Group != "" {
		path = []string{"/apis", r.Group, "v1"}
	}
	path = append(path, "namespaces", namespace, r.Resource)
	if r.Verb == "get" {
		path = append(path, nobody)
	}
	if r.Subresource != "" {
		path = append(path, r.Subresource)
	}
	request := server.Get().AbsPath(path...)
	switch r.Verb {
	case "get":
	case "list":
		request.Param("limit", "1")
	case "watch":
		request.Param("watch", "true").Param("timeoutSeconds", "1")
	default:
		return false, fmt.Errorf("a right to %s cannot be tried without a trace: %w", r.Verb, errors.ErrUnsupported)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := request.Stream(ctx)
	switch {
	case err == nil:
		return true, answer.Close()
	case apierrors.IsForbidden(err):
		return false, nil
	case apierrors.IsNotFound(err):
		return true, nil // the right is looked at before the object
	default:
		return false, err
	}
}
