package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/rights"
)

// reading is what a user needs to read logs, in the namespace of the Jobs.
var reading = []rights.Right{
	{Verb: "get", Resource: "pods", Subresource: "log", For: "logs"},
	{Verb: "list", Resource: "pods", For: "list"},
}

// reaching is what a user needs to reach the daemon, in its namespace.
var reaching = []rights.Right{
	{Verb: "list", Resource: "pods", For: "to find the daemon"},
	{Verb: "create", Resource: "pods", Subresource: "portforward", For: "to reach the daemon; --archive does without"},
}

// ownRights asks what the caller may do.
func (v *visit) ownRights(ctx context.Context) {
	v.mine(ctx, v.Namespace, reading)
	if v.Daemon != "" {
		v.mine(ctx, v.Daemon, reaching)
	}
}

func (v *visit) mine(ctx context.Context, namespace string, wanted []rights.Right) {
	for _, right := range wanted {
		allowed, err := rights.Allowed(ctx, v.Client, right.In(namespace))
		switch {
		case err != nil:
			v.say(Note, fmt.Sprintf("whether you may %s in %s is not known: %v", right, namespace, err), "nothing")
		case allowed:
			v.good("you may %s in %s", right, namespace)
		default:
			v.say(Warn, fmt.Sprintf("you may not %s in %s, which is needed for %s", right, namespace, right.For),
				fmt.Sprintf("have somebody bind you a Role with it: kubectl create role ... --verb=%s --resource=%s -n %s", right.Verb, kubectlName(right), namespace))
		}
	}
}

func kubectlName(r rights.Right) string {
	_, name, _ := strings.Cut(r.String(), " ")
	return name
}

// daemonRights asks what the daemon's service account may do. That is a question of its own right; who may not ask it
// can be the account for a moment, by --as.
func (v *visit) daemonRights(ctx context.Context) {
	if len(v.pods) == 0 {
		return
	}
	account := v.pods[0].account
	for _, of := range []struct {
		namespace string
		rights    []rights.Right
		level     Level
		without   string
	}{
		{v.Namespace, rights.Watching, Bad, "logs are not kept"},
		{v.Daemon, rights.Sharing, Bad, "replicas cannot share the work"},
		{v.Daemon, rights.Knowing, Warn, "whoever can write Leases there can keep logs from being read"},
		{v.Namespace, slices.Concat(rights.Holding, rights.Deleting), Warn, "no Job is held or deleted, if that is switched on"},
		{v.Namespace, rights.Ending(v.Namespace), Warn, "the gate may keep a deleted namespace"},
		{metav1.NamespaceSystem, rights.Identifying, Warn, "what another cluster keeps under the same prefix is taken for this one's"},
		{metav1.NamespaceAll, rights.Serving, Warn, "the API lets nobody in"},
	} {
		if v.goes && of.namespace == v.Namespace {
			continue // they go with it
		}
		missing, err := v.missing(ctx, account, of.namespace, of.rights)
		switch {
		case apierrors.IsForbidden(err):
			v.say(Note, "you may not ask what the daemon's service account may do", "nothing, or ask as somebody who may create subjectaccessreviews")
			return
		case err != nil:
			v.say(Note, fmt.Sprintf("what the daemon may do is not known: %v", err), "nothing")
			return
		case len(missing) > 0:
			v.say(of.level, fmt.Sprintf("the daemon's service account %s lacks, %s: %s; %s", account, rights.Place(of.namespace), strings.Join(missing, ", "), of.without),
				fmt.Sprintf("is %s the namespace that it watches? Then install the chart with rbac.create=true, or bind the account a Role like the chart's", v.Namespace))
		default:
			v.good("the daemon's service account %s may %s, %s, as it must", account, of.rights[0], rights.Place(of.namespace))
		}
	}
}

// missing returns the rights that the daemon's account does not have.
func (v *visit) missing(ctx context.Context, account, namespace string, wanted []rights.Right) (missing []string, err error) {
	user := fmt.Sprintf("system:serviceaccount:%s:%s", v.Daemon, account)
	for _, right := range wanted {
		allowed, err := v.may(ctx, user, right.In(namespace))
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
