package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/rights"
)

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// ward is a cluster to be visited.
type ward struct {
	objects []runtime.Object
	denied  []string // rights that nobody has
	noAsk   bool     // the caller may not ask about others
	version string
	clock   time.Duration // how far the API server's clock is ahead
	store   archive.Store
	waits   string // for what the daemon's pod says that it waits; "": it is not asked
}

// running is ours, not ready, and started again after it ended with a code.
func running(code int32) *corev1.Pod {
	pod := keeper(false)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		RestartCount: 2, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: code}},
	}}
	return pod
}

func (w ward) visit(t *testing.T) string {
	t.Helper()
	client := fake.NewClientset(w.objects...)
	client.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{GitVersion: w.version}
	may := func(a *authorizationv1.ResourceAttributes) authorizationv1.SubjectAccessReviewStatus {
		right := rights.Right{Verb: a.Verb, Group: a.Group, Resource: a.Resource, Subresource: a.Subresource}
		return authorizationv1.SubjectAccessReviewStatus{Allowed: !slices.Contains(w.denied, right.String())}
	}
	client.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
		review.Status = may(review.Spec.ResourceAttributes)
		return true, review, nil
	})
	client.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview)
		if w.noAsk {
			return true, nil, apierrors.NewForbidden(authorizationv1.Resource("subjectaccessreviews"), "", fmt.Errorf("no"))
		}
		if got, want := review.Spec.User, "system:serviceaccount:system:keeper"; got != want {
			t.Errorf("got a question about %s, want %s", got, want)
		}
		review.Status = may(review.Spec.ResourceAttributes)
		return true, review, nil
	})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", now.Add(w.clock).Format(http.TimeFormat))
		if r.URL.Path == "/api/v1/namespaces/system/pods/epilogue-1:8080/proxy/readyz" && w.waits != "" {
			rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
			rw.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(rw, w.waits)
		}
	}))
	defer server.Close()
	var out strings.Builder
	err := Visit(t.Context(), Config{
		Client: client, REST: &rest.Config{Host: server.URL}, Namespace: "jobs", Name: "epilogue", Version: "v1",
		Store: w.store, Now: func() time.Time { return now },
	}, func(f Finding) { fmt.Fprintf(&out, "%s: %s -> %s\n", f.Level, f.What, f.Do) })
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func keeper(ready bool) *corev1.Pod {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "epilogue-1", Labels: map[string]string{
			"app.kubernetes.io/name": "epilogue", "app.kubernetes.io/version": "v1",
		}},
		Spec:   corev1.PodSpec{ServiceAccountName: "keeper"},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status, Reason: "ContainersNotReady"}}},
	}
}

// others is a daemon that keeps the Jobs of another namespace, and comes before ours in a list.
func others() *corev1.Pod {
	pod := keeper(true)
	pod.Namespace, pod.Name = "another", "epilogue-0"
	pod.Labels[mark.Watches] = "others"
	return pod
}

// known is ours as the chart of today marks it.
func known() *corev1.Pod {
	pod := keeper(true)
	pod.Labels[mark.Watches] = "jobs"
	return pod
}

func held(deleted time.Duration) *batchv1.Job {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "held", Finalizers: []string{mark.Finalizer}}}
	if deleted > 0 {
		job.DeletionTimestamp = &metav1.Time{Time: now.Add(-deleted)}
	}
	return job
}

// going is the namespace of the Jobs once it is being deleted.
func going() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "jobs", DeletionTimestamp: &metav1.Time{Time: now}, Finalizers: []string{"kubernetes"}}}
}

// replaced is a Job that was deleted and still runs.
func replaced() *batchv1.Job {
	job := held(time.Minute)
	job.Status.Active = 1
	return job
}

// heldPod is a pod that is held in the place of its Job, which is gone.
func heldPod(deleted time.Duration) *corev1.Pod {
	yes := true
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "jobs", Name: "web-abcde", Finalizers: []string{mark.Finalizer}, DeletionTimestamp: &metav1.Time{Time: now.Add(-deleted)},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "web", UID: "web-uid", Controller: &yes}},
	}}
}

// replacing is a CronJob that replaces its Jobs, and says how they are held.
func replacing(gate string) *batchv1.CronJob {
	c := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "often"}}
	c.Spec.ConcurrencyPolicy = batchv1.ReplaceConcurrent
	c.Spec.JobTemplate.Annotations = map[string]string{mark.Gate: gate}
	return c
}

func TestVisit(t *testing.T) {
	well := ward{objects: []runtime.Object{keeper(true), held(time.Minute)}, version: "v1.37.2"}
	for _, tt := range []struct {
		name   string
		change func(*ward)
		says   string // part of a line
		bad    bool   // something does not work
	}{
		{"well", func(*ward) {}, "ok: 1 of 1 pods of the daemon are ready in namespace system", false},
		{"rights", func(*ward) {}, "ok: the daemon's service account keeper may get pods, in jobs, as it must", false},
		{"old API server", func(w *ward) { w.version = "v1.29.4-gke.1" }, "no admission policies", false},
		{"middle-aged API server", func(w *ward) { w.version = "v1.34.0" }, "mutating ones from 1.36 on", false},
		{"clock agrees", func(w *ward) { w.clock = 2 * time.Second }, "ok: this machine's clock agrees", false},
		{"clock ahead", func(w *ward) { w.clock = -time.Minute }, "warn: this machine's clock is 1m0s ahead of", false},
		{"clock behind", func(w *ward) { w.clock = time.Minute }, "behind the API server's", false},
		{"no daemon", func(w *ward) { w.objects = nil }, "bad: there is no pod of Epilogue in any namespace -> install the chart", true},
		{"daemon not ready", func(w *ward) { w.objects = []runtime.Object{keeper(false)} }, "ContainersNotReady -> kubectl -n system describe pod epilogue-1", true},
		{"another daemon, too", func(w *ward) { w.objects = []runtime.Object{others(), known()} }, "ok: 1 of 1 pods of the daemon are ready in namespace system", false},
		{"daemon waits", func(w *ward) {
			w.objects, w.waits = []runtime.Object{running(4)}, "the object store does not answer"
		}, "warn: pod system/epilogue-1 is not ready: the object store does not answer -> kubectl", true},
		{"daemon cannot be asked", func(w *ward) { w.objects = []runtime.Object{running(4)} }, "is not ready: ContainersNotReady -> kubectl", true},
		{"daemon was restarted", func(w *ward) { w.objects = []runtime.Object{running(4)} }, "was restarted 2 times; it ended last with Error, exit code 4", true},
		{"no right to read", func(w *ward) { w.denied = []string{"get pods/log"} }, "warn: you may not get pods/log in jobs", true},
		{"no port-forward", func(w *ward) { w.denied = []string{"create pods/portforward"} }, "--archive does without", false},
		{"daemon lacks a right", func(w *ward) { w.denied = []string{"watch jobs.batch"} }, "bad: the daemon's service account keeper lacks, in jobs: watch jobs.batch (to know which pods to keep); logs are not kept", true},
		{"daemon lacks leases", func(w *ward) { w.denied = []string{"update leases.coordination.k8s.io"} }, "bad: the daemon's service account keeper lacks, in system: update leases", true},
		{"daemon may not delete", func(w *ward) { w.denied = []string{"delete jobs.batch"} }, "warn: the daemon's service account keeper lacks, in jobs: delete jobs.batch", false},
		{"daemon may not ask", func(w *ward) {
			w.denied = []string{"create tokenreviews.authentication.k8s.io"}
		}, "warn: the daemon's service account keeper lacks, in the cluster: create tokenreviews", false},
		{"may not ask", func(w *ward) { w.noAsk = true }, "note: you may not ask what the daemon's service account may do", false},
		{"gate is held", func(*ward) {}, "ok: 1 Jobs of jobs carry the gate", false},
		{"stuck", func(w *ward) { w.objects = []runtime.Object{keeper(true), held(time.Hour)} }, "bad: Job held was deleted 60m ago and still waits for its logs", true},
		{"a pod is held", func(w *ward) { w.objects = []runtime.Object{keeper(true), held(0), heldPod(time.Minute)} }, "ok: 1 Jobs and 1 pods of jobs carry the gate", false},
		{"a pod is stuck", func(w *ward) { w.objects = []runtime.Object{keeper(true), heldPod(time.Hour)} },
			"bad: pod web-abcde was deleted 60m ago and still waits for its logs -> see that the daemon is well and its store answers; to let it go without: kubectl epilogue release web -n jobs", true},
		{"a pod is held without a daemon", func(w *ward) { w.objects = []runtime.Object{heldPod(0)} }, "0 Jobs and 1 pods carry the gate and no daemon", true},
		{"a CronJob replaces", func(w *ward) { w.objects = append(w.objects[:1:1], replacing("")) }, "note: CronJob often replaces Jobs that run", false},
		{"replaced while the daemon is away", func(w *ward) { w.objects = []runtime.Object{keeper(false), replaced()} }, "bad: 1 Jobs that were deleted run on", true},
		{"replaced", func(w *ward) { w.objects = []runtime.Object{keeper(true), replaced()} }, "ok: 1 Jobs of jobs carry the gate", false},
		{"the namespace goes", func(w *ward) {
			w.objects, w.denied = []runtime.Object{keeper(true), held(time.Hour), going()}, []string{"watch jobs.batch"}
		}, "bad: namespace jobs is being deleted, with what Epilogue has in it -> the daemon's rights go with it, so it may never go by itself; " +
			"to let its Jobs go: kubectl epilogue release --all -n jobs", true},
		{"the namespace goes, and nothing is held", func(w *ward) { w.objects = []runtime.Object{keeper(true), going()} }, "-> nothing: it goes by itself", true},
		{"gate without a daemon", func(w *ward) { w.objects = []runtime.Object{held(0)} }, "kubectl epilogue release --all", true},
		{"no store", func(*ward) {}, "note: the store was not looked at", false},
		{"store", func(w *ward) { w.store = storetest.NewMemory(nil) }, "ok: the store refuses to replace what is there", false},
		{"store without conditions", func(w *ward) {
			w.store = unconditional{storetest.NewMemory(nil)}
		}, "warn: the store has no conditional put", false},
		{"store out of reach", func(w *ward) {
			f := &storetest.Faulty{Store: storetest.NewMemory(nil)}
			f.Break(storetest.Fault{Op: storetest.OpList, Times: -1})
			w.store = f
		}, "bad: the archive cannot be read", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := well
			tt.change(&w)
			got := w.visit(t)
			if !strings.Contains(got, tt.says) {
				t.Errorf("got\n%swant %q", got, tt.says)
			}
			if strings.Contains(tt.name, "namespace goes") && strings.Count("\n"+got, "\nbad: ") != 1 {
				t.Errorf("got\n%swant one cause and no others", got)
			}
			if bad := strings.Contains("\n"+got, "\nbad: "); bad != tt.bad {
				t.Errorf("got\n%swant something bad: %t", got, tt.bad)
			}
		})
	}
}

// unconditional is a store that takes a conditional put and ignores the condition.
type unconditional struct{ *storetest.Memory }

func (u unconditional) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, o archive.PutOptions) error {
	o.IfAbsent = false
	return u.Memory.Put(ctx, key, body, o)
}

// TestReplacingAsTold: who has said how his CronJob's Jobs are held is told nothing.
func TestReplacingAsTold(t *testing.T) {
	w := ward{objects: []runtime.Object{keeper(true), replacing(mark.GatePods)}, version: "v1.37.2"}
	if got := w.visit(t); strings.Contains(got, "often") {
		t.Errorf("got\n%swant nothing of the CronJob", got)
	}
}
