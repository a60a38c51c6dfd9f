// Package access says who asks and what he may do. In a cluster it asks the API server both: whose token it is
// (TokenReview) and what its owner may do (SubjectAccessReview), so that whoever may read the log of a pod may read it
// here, by the same Role, and nobody else. It keeps answers for a short while and nothing beyond that: no token is
// stored, logged or handed on, and a crash loses only answers that are asked for again.
package access

import (
	"fmt"
	"net/http"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// User is who asks, as the API server knows him.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string]authorizationv1.ExtraValue
}

// Act is what somebody wants to do, in the words of RBAC.
type Act struct {
	Verb        string // get, list, create
	Group       string // "" is the core group
	Resource    string // pods, jobs
	Subresource string // log, or ""
	Namespace   string
	Name        string // "": any
	Path        string // of what is no resource, as /metrics; then there is no more than the verb
}

// The acts of this program's routes that read.
var (
	ReadLogs    = Act{Verb: "get", Resource: "pods", Subresource: "log"}
	ListPods    = Act{Verb: "list", Resource: "pods"}
	ReadMetrics = Act{Verb: "get", Path: "/metrics"}
)

// In returns the act in a namespace, on one object or ("") on any.
func (a Act) In(namespace, name string) Act {
	a.Namespace, a.Name = namespace, name
	return a
}

func (a Act) resource() string {
	if a.Subresource == "" {
		return a.Resource
	}
	return a.Resource + "/" + a.Subresource
}

// forbidden says no in the words of the API server, which name the user and the right that is missing.
func forbidden(user User, act Act, reason string) error {
	where := fmt.Sprintf("in the namespace %q", act.Namespace)
	if act.Namespace == "" {
		where = "at the cluster scope"
	}
	if act.Path != "" {
		return apierrors.NewForbidden(schema.GroupResource{}, "", fmt.Errorf("User %q cannot %s path %q", user.Name, act.Verb, act.Path))
	}
	why := fmt.Errorf("User %q cannot %s resource %q in API group %q %s", user.Name, act.Verb, act.resource(), act.Group, where)
	if reason != "" {
		why = fmt.Errorf("%w: %s", why, reason)
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: act.Group, Resource: act.Resource}, act.Name, why)
}

// Token returns the bearer token of a request. Its error is a Status of 401 that says how to bring one.
func Token(header http.Header) (string, error) {
	value := header.Get("Authorization")
	scheme, token, _ := strings.Cut(strings.TrimSpace(value), " ")
	token = strings.TrimSpace(token)
	switch {
	case value == "":
		return "", apierrors.NewUnauthorized("no Authorization header; want \"Authorization: Bearer <token>\", such as the output of `kubectl create token <account>`")
	case !strings.EqualFold(scheme, "bearer") || token == "":
		return "", apierrors.NewUnauthorized("the Authorization header is of another kind; want \"Authorization: Bearer <token>\"")
	case len(token) > maxToken:
		return "", apierrors.NewUnauthorized(fmt.Sprintf("the token is longer than %d bytes", maxToken))
	}
	return token, nil
}

// OnlyFor reports whether a request may be sent where nobody proves who he is: it carries no token, or one that claims
// to be for this audience and no other, so that it is good for nothing but what is asked here. Whoever calls it has had
// the token reviewed.
func OnlyFor(header http.Header, audience string) bool {
	if header.Get("Authorization") == "" {
		return true
	}
	token, err := Token(header)
	if err != nil || audience == "" {
		return false
	}
	claimed := claimedAudiences(token)
	return len(claimed) == 1 && claimed[0] == audience
}

// maxToken bounds what is sent to the API server in somebody's name. Tokens of clouds reach some KiB.
const maxToken = 32 << 10
