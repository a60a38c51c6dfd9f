package rights

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// TestTheChartGivesExactlyThis: neither may the daemon ask for a right that the chart does not give, nor the chart give
// one that no row tells of.
func TestTheChartGivesExactlyThis(t *testing.T) {
	text, err := os.ReadFile("../deploy/chart/epilogue/templates/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	rule := regexp.MustCompile(`apiGroups: \[(.*)\]\s+resources: \[(.*)\](?:\s+resourceNames: \[(.*)\])?\s+verbs: \[(.*)\]`)
	for _, m := range rule.FindAllStringSubmatch(string(text), -1) {
		for resource := range strings.SplitSeq(m[2], ", ") {
			for verb := range strings.SplitSeq(m[4], ", ") {
				name, sub, _ := strings.Cut(resource, "/")
				given[Right{Verb: verb, Group: strings.Trim(m[1], `"`), Resource: name, Subresource: sub, Name: m[3]}.String()] = true
			}
		}
	}
	wanted := map[string]bool{}
	for _, right := range slices.Concat(Watching, Sharing, Knowing, Identifying, Holding, Ending(`{{ include "epilogue.watched" . }}`), Deleting, Serving, launching, registryLogin("{{ . | quote }}")) {
		wanted[right.String()] = true
		if !given[right.String()] {
			t.Errorf("got a chart whose Roles do not give %q", right)
		}
		if right.For == "" {
			t.Errorf("%s: got no reason", right)
		}
	}
	for right := range given {
		if !wanted[right] {
			t.Errorf("got a chart whose Roles give %q, which no row of the table tells of", right)
		}
	}
}

func answering(t *testing.T, may func(*authorizationv1.ResourceAttributes) (bool, error)) *fake.Clientset {
	t.Helper()
	client := fake.NewClientset()
	client.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
		allowed, err := may(review.Spec.ResourceAttributes)
		review.Status.Allowed = allowed
		return true, review, err
	})
	return client
}

func TestMissingNamesAllAtOnce(t *testing.T) {
	client := answering(t, func(a *authorizationv1.ResourceAttributes) (bool, error) {
		denied := a.Namespace == "jobs" && (a.Verb == "watch" || a.Subresource == "log") || a.Namespace == "" && a.Resource == "tokenreviews"
		return !denied, nil
	})
	got, err := Missing(t.Context(), client,
		Use{"jobs", Watching, "no log is kept", true}, Use{"system", Sharing, "nothing is shared", true}, Use{"", Serving, "nobody gets in", false})
	if err != nil {
		t.Fatal(err)
	}
	const want = "watch pods in jobs (to see containers start); get pods/log in jobs (to read logs); watch jobs.batch in jobs (to know which pods to keep); " +
		"watch events in jobs (post-mortems): no log is kept; create tokenreviews.authentication.k8s.io in the cluster (to know whose token it is): nobody gets in"
	if Text(got) != want {
		t.Errorf("got\n%s\nwant\n%s", Text(got), want)
	}
	if !Vital(got) || Vital(got[4:]) {
		t.Errorf("got vital %v and %v, want true and false", Vital(got), Vital(got[4:]))
	}
}

func TestMissingIsNotKnown(t *testing.T) {
	broken := errors.New("no route")
	client := answering(t, func(a *authorizationv1.ResourceAttributes) (bool, error) { return true, broken })
	if got, err := Missing(t.Context(), client, Use{Namespace: "jobs", Rights: Watching}); !errors.Is(err, broken) || got != nil {
		t.Errorf("got %v and error %v, want none and %v", got, err, broken)
	}
}
