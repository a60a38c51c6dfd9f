package doctor

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Right is something that somebody must be allowed to do.
type Right struct {
	Verb, Group, Resource, Subresource string
	For                                string // what it is needed for
}

func (r Right) String() string {
	name := r.Resource
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	if r.Group != "" {
		name += "." + r.Group
	}
	return r.Verb + " " + name
}

func (r Right) in(namespace string) *authorizationv1.ResourceAttributes {
	return &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: r.Verb, Group: r.Group, Resource: r.Resource, Subresource: r.Subresource,
	}
}

// reading is what a user needs to read logs, in the namespace of the Jobs.
var reading = []Right{
	{"get", "", "pods", "log", "logs"},
	{"list", "", "pods", "", "list"},
}

// reaching is what a user needs to reach the daemon, in its namespace.
var reaching = []Right{
	{"list", "", "pods", "", "to find the daemon"},
	{"create", "", "pods", "portforward", "to reach the daemon; --archive does without"},
}

// Watching is what the daemon must be allowed to do in the namespace of the Jobs, whatever it is set to do.
var Watching = []Right{
	{"get", "", "pods", "", "to prove whose log it read"},
	{"list", "", "pods", "", "to see containers start"},
	{"watch", "", "pods", "", "to see containers start"},
	{"get", "", "pods", "log", "to read logs"},
	{"list", "batch", "jobs", "", "to know which pods to keep"},
	{"watch", "batch", "jobs", "", "to know which pods to keep"},
	{"list", "", "events", "", "post-mortems"},
	{"watch", "", "events", "", "post-mortems"},
}

// Sharing is what replicas need in the daemon's own namespace.
var Sharing = []Right{
	{"create", "coordination.k8s.io", "leases", "", "to share the work"},
	{"get", "coordination.k8s.io", "leases", "", "to share the work"},
	{"list", "coordination.k8s.io", "leases", "", "to share the work"},
	{"watch", "coordination.k8s.io", "leases", "", "to share the work"},
	{"update", "coordination.k8s.io", "leases", "", "to share the work"},
	{"delete", "coordination.k8s.io", "leases", "", "to take over from a replica that died"},
}

// Holding is what the gate and the cleanup need in the namespace of the Jobs.
var Holding = []Right{
	{"get", "batch", "jobs", "", "to look again before a deletion"},
	{"patch", "batch", "jobs", "", "the gate"},
	{"delete", "batch", "jobs", "", "cleanup"},
	{"patch", "", "pods", "", "to end pods gently"},
	{"delete", "", "pods", "", "cleanup"},
	{"create", "", "events", "", "to tell what is done"},
}

// Serving is what the API needs, outside of any namespace.
var Serving = []Right{
	{"create", "authentication.k8s.io", "tokenreviews", "", "to know whose token it is"},
	{"create", "authorization.k8s.io", "subjectaccessreviews", "", "to know what he may do"},
}

// ownRights asks what the caller may do.
func (v *visit) ownRights(ctx context.Context) {
	v.mine(ctx, v.Namespace, reading)
	if v.Daemon != "" {
		v.mine(ctx, v.Daemon, reaching)
	}
}

func (v *visit) mine(ctx context.Context, namespace string, rights []Right) {
	for _, right := range rights {
		review := &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: right.in(namespace)},
		}
		answer, err := v.Client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		switch {
		case err != nil:
			v.say(Note, fmt.Sprintf("whether you may %s in %s is not known: %v", right, namespace, err), "nothing")
		case answer.Status.Allowed:
			v.good("you may %s in %s", right, namespace)
		default:
			v.say(Warn, fmt.Sprintf("you may not %s in %s, which is needed for %s", right, namespace, right.For),
				fmt.Sprintf("have somebody bind you a Role with it: kubectl create role ... --verb=%s --resource=%s -n %s", right.Verb, kubectlName(right), namespace))
		}
	}
}

func kubectlName(r Right) string {
	_, name, _ := strings.Cut(r.String(), " ")
	return name
}

// daemonRights asks what the daemon's service account may do. That is a question of its own right; who may not ask it can
// be the account for a moment, by --as.
func (v *visit) daemonRights(ctx context.Context) {
	if len(v.pods) == 0 {
		return
	}
	account := v.pods[0].account
	for _, of := range []struct {
		namespace string
		rights    []Right
		level     Level
		without   string
	}{
		{v.Namespace, Watching, Bad, "logs are not kept"},
		{v.Daemon, Sharing, Bad, "replicas cannot share the work"},
		{v.Namespace, Holding, Warn, "no Job is held or deleted, if that is switched on"},
		{metav1.NamespaceAll, Serving, Warn, "the API lets nobody in"},
	} {
		missing, err := v.missing(ctx, account, of.namespace, of.rights)
		switch {
		case apierrors.IsForbidden(err):
			v.say(Note, "you may not ask what the daemon's service account may do", "nothing, or ask as somebody who may create subjectaccessreviews")
			return
		case err != nil:
			v.say(Note, fmt.Sprintf("what the daemon may do is not known: %v", err), "nothing")
			return
		case len(missing) > 0:
			v.say(of.level, fmt.Sprintf("the daemon's service account %s lacks, %s: %s; %s", account, inPlace(of.namespace), strings.Join(missing, ", "), of.without),
				fmt.Sprintf("is %s the namespace that it watches? Then install the chart with rbac.create=true, or bind the account a Role like the chart's", v.Namespace))
		default:
			v.good("the daemon's service account %s may %s, %s, as it must", account, of.rights[0], inPlace(of.namespace))
		}
	}
}

func inPlace(namespace string) string {
	if namespace == metav1.NamespaceAll {
		return "in the cluster"
	}
	return "in " + namespace
}

// missing gives the rights that the daemon's account does not have.
func (v *visit) missing(ctx context.Context, account, namespace string, rights []Right) (missing []string, err error) {
	user := fmt.Sprintf("system:serviceaccount:%s:%s", v.Daemon, account)
	for _, right := range rights {
		allowed, err := v.may(ctx, user, right.in(namespace))
		if err != nil {
			return nil, err
		}
		if !allowed {
			missing = append(missing, fmt.Sprintf("%s (%s)", right, right.For))
		}
	}
	return missing, nil
}

func (v *visit) may(ctx context.Context, user string, what *authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, ResourceAttributes: what,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + v.Daemon, "system:authenticated"},
	}}
	answer, err := v.Client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}
