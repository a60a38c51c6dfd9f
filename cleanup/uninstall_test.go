package cleanup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/mark"
)

func release(name string) []runtime.Object {
	labels := map[string]string{"app": "daemon"}
	return []runtime.Object{
		&admissionv1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "gate"}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: name}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "daemon-0", Labels: labels}},
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "daemon-0", Labels: labels}},
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "queue"}},
		gated("a", []string{mark.Finalizer}),
	}
}

var uninstall = UninstallConfig{
	Namespace: "system", Deployment: "epilogue", DaemonPods: "app=daemon", Leases: "app=daemon", PolicyBindings: []string{"gate", "gate-pods"},
	Jobs: "jobs", QueueLease: "queue",
}

func (u UninstallConfig) run(t *testing.T, client *fake.Clientset) (string, error) {
	var out strings.Builder
	r := NewReleaser(ReleaseConfig{Namespace: "jobs", ForGood: true, DryRun: u.DryRun}, client, &out)
	err := NewUninstall(u, client, r, &out).Run(t.Context())
	return out.String(), err
}

// writes returns what was written, in its order.
func writes(client *fake.Clientset) (all []string) {
	for _, a := range client.Actions() {
		if name, ok := a.(interface{ GetName() string }); ok && (a.GetVerb() == "patch" || a.GetVerb() == "delete") {
			all = append(all, strings.TrimSuffix(a.GetVerb()+" "+a.GetResource().Resource+"/"+a.GetSubresource(), "/")+" "+name.GetName())
		}
	}
	return all
}

// Until its pod is gone the daemon puts the gate on a Job that is created meanwhile, and a late API server on another
// one.
func TestUninstallGoesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(release("epilogue")...)
		began := time.Now()
		later := func(d time.Duration, do func() error) {
			time.AfterFunc(d, func() {
				if err := do(); err != nil {
					t.Error(err)
				}
			})
		}
		pods, jobs := schema.GroupVersionResource{Version: "v1", Resource: "pods"}, schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
		later(20*time.Second, func() error { return client.Tracker().Create(jobs, gated("late", []string{mark.Finalizer}), "jobs") })
		later(30*time.Second, func() error { return client.Tracker().Delete(pods, "system", "daemon-0") })
		later(33*time.Second, func() error { return client.Tracker().Create(jobs, gated("last", []string{mark.Finalizer}), "jobs") })
		out, err := uninstall.run(t, client)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"delete mutatingadmissionpolicybindings gate", "delete mutatingadmissionpolicybindings gate-pods", "patch deployments/scale epilogue",
			"patch jobs a", "patch jobs late", "patch jobs last", "delete leases daemon-0", "delete leases queue",
		}
		if got := writes(client); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := time.Since(began); got < 38*time.Second || got > 41*time.Second {
			t.Errorf("got done after %s, want 5 s after the last one at 33 s", got)
		}
		if !strings.Contains(out, "3 Jobs and pods released") {
			t.Errorf("got %q, want it to say that 3 were released", out)
		}
	})
}

func TestUninstallAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		if out, err := uninstall.run(t, client); err != nil {
			t.Errorf("got %q and error %v, want nothing to be done and no error", out, err)
		}
	})
}

func TestUninstallDryRun(t *testing.T) {
	client := fake.NewClientset(release("epilogue")...)
	cfg := uninstall
	cfg.DryRun = true
	out, err := cfg.run(t, client)
	if err != nil || len(writes(client)) > 0 {
		t.Errorf("got writes %q and error %v, want none", writes(client), err)
	}
	for _, want := range []string{"binding/gate would", "deployment/epilogue would", "job/a would"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %q, want %q in it", out, want)
		}
	}
}

// A pod on a node that is lost does not keep the release for ever, and is named.
func TestUninstallPassesOverALostPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := uninstall.run(t, fake.NewClientset(release("epilogue")...))
		if err != nil || !strings.Contains(out, "pods daemon-0") || !strings.Contains(out, "1 Jobs and pods released") {
			t.Errorf("got %q and error %v, want the pod named and the Job released", out, err)
		}
	})
}

// Whoever may not do a step is told which, and nothing later is done.
func TestUninstallStopsAtAnError(t *testing.T) {
	refuse := func(verb, resource string) *fake.Clientset {
		client := fake.NewClientset(release("epilogue")...)
		client.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "x", errors.New("no"))
		})
		return client
	}
	tests := []struct {
		verb, resource, want string
		writes               int
	}{
		{"delete", "mutatingadmissionpolicybindings", "delete MutatingAdmissionPolicyBinding gate", 1},
		{"patch", "deployments", "scale Deployment system/epilogue", 3},
		{"list", "pods", "list pods of the daemon", 3},
	}
	for _, test := range tests {
		client := refuse(test.verb, test.resource)
		_, err := uninstall.run(t, client)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got error %v, want %q in it", test.verb, test.resource, err, test.want)
		}
		if got := len(writes(client)); got != test.writes {
			t.Errorf("%s %s: got %d writes, want %d", test.verb, test.resource, got, test.writes)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := fake.NewClientset(release("epilogue")...)
	err := NewUninstall(uninstall, client, NewReleaser(ReleaseConfig{}, client, &strings.Builder{}), &strings.Builder{}).Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
}
