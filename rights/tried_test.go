package rights

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestRefused: each right is found out by a request that the API server takes for that verb, and by nothing that
// writes.
func TestRefused(t *testing.T) {
	var asked []string
	refuse := map[string]bool{}
	status := http.StatusOK // of what is allowed
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verb := "list"
		path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/jobs/"), "/apis/batch/v1/namespaces/jobs/")
		resource, rest, named := strings.Cut(path, "/")
		if named {
			verb = "get"
			if _, sub, ok := strings.Cut(rest, "/"); ok {
				resource += "/" + sub
			}
		}
		if r.URL.Query().Get("watch") == "true" {
			verb = "watch"
		}
		if strings.HasPrefix(r.URL.Path, "/apis/batch/") {
			resource += ".batch"
		}
		what := verb + " " + resource
		asked = append(asked, what)
		answer := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(status)}
		switch {
		case r.Method != http.MethodGet:
			t.Errorf("got a request %s %s, want none but GET", r.Method, r.URL)
		case refuse[what]:
			answer.Code, answer.Reason = http.StatusForbidden, metav1.StatusReasonForbidden
		case verb == "get" && status == http.StatusOK:
			answer.Code, answer.Reason = http.StatusNotFound, metav1.StatusReasonNotFound
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(answer.Code))
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	use := Use{Namespace: "jobs", Rights: Watching, Without: "no log can be kept", Vital: true}
	ask := func() ([]Lack, error) { return Refused(t.Context(), client.Discovery().RESTClient(), use) }

	if missing, err := ask(); len(missing) > 0 || err != nil {
		t.Errorf("got %v, %v where all is allowed", missing, err)
	}
	for _, right := range Watching {
		if !slices.Contains(asked, right.String()) {
			t.Errorf("got requests %q, want one that needs %q", asked, right)
		}
	}
	for _, right := range Watching {
		clear(refuse)
		refuse[right.String()] = true
		if missing, err := ask(); err != nil || len(missing) != 1 || missing[0].Right != right {
			t.Errorf("%s refused: got %v, %v", right, missing, err)
		}
	}
	clear(refuse)
	status = http.StatusUnauthorized
	if _, err := ask(); err == nil {
		t.Error("got no error from an API server that lets nobody in")
	}
	if _, err := Refused(t.Context(), client.Discovery().RESTClient(), Use{Namespace: "jobs", Rights: Sharing}); err == nil {
		t.Error("got no error for a right that cannot be tried without a trace")
	}
}
