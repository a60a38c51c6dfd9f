//go:build integration

package integration

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/cleanup"
	"github.com/epilogue-dev/epilogue/mark"
)

// gatedJob makes a Job with the gate and a finalizer of somebody else before it, and a pod of it with the gate.
func gatedJob(t *testing.T, ns, name string, ttl string) {
	t.Helper()
	spec := corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "none"}}}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: []string{"test.dev/other", mark.Finalizer}},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
	}
	if ttl != "" {
		job.Annotations = map[string]string{mark.AdoptedTTL: ttl}
	}
	job, err := plane.Client().BatchV1().Jobs(ns).Create(t.Context(), job, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name + "-pod", Finalizers: []string{mark.Finalizer}, Labels: job.Spec.Template.Labels,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
	}, Spec: spec}
	if _, err := plane.Client().CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// releasing returns a client that may list and patch Jobs and pods of the namespace, and nothing else.
func releasing(t *testing.T, ns string) kubernetes.Interface {
	t.Helper()
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"list", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "patch"}},
	}
	rbac := plane.Client().RbacV1()
	if _, err := rbac.Roles(ns).Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "release"}, Rules: rules}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	user := "release-" + ns
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "release"}, Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "release"},
	}
	if _, err := rbac.RoleBindings(ns).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config, err := plane.UserConfig(user)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestReleaseWithTheLeastRights(t *testing.T) {
	ns := plane.Namespace(t)
	gatedJob(t, ns, "a", "")
	gatedJob(t, ns, "b", "")
	background := metav1.DeletePropagationBackground
	jobs := plane.Client().BatchV1().Jobs(ns)
	if err := jobs.Delete(t.Context(), "a", metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := cleanup.NewReleaser(cleanup.ReleaseConfig{Namespace: ns}, releasing(t, ns), &out).Job(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	a, err := jobs.Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil || len(a.Finalizers) != 1 || a.Finalizers[0] != "test.dev/other" || a.Annotations[mark.Released] == "" {
		t.Errorf("got finalizers %q, annotations %v, error %v, want the other finalizer and the mark\n%s", a.Finalizers, a.Annotations, err, out.String())
	}
	pod, err := plane.Client().CoreV1().Pods(ns).Get(t.Context(), "a-pod", metav1.GetOptions{})
	if err != nil || len(pod.Finalizers) > 0 {
		t.Errorf("got pod with finalizers %q, error %v, want none", pod.Finalizers, err)
	}
	if b, err := jobs.Get(t.Context(), "b", metav1.GetOptions{}); err != nil || len(b.Finalizers) != 2 || b.Annotations[mark.Released] != "" {
		t.Errorf("got %q and %v, error %v, of the other Job, want it untouched", b.Finalizers, b.Annotations, err)
	}
}

// Several at once meet each other's patches all the time: the API server refuses those that no longer fit.
func TestReleaseAllAtOnce(t *testing.T) {
	ns := plane.Namespace(t)
	const jobs = 40
	for i := range jobs {
		gatedJob(t, ns, fmt.Sprint("job-", i), []string{"", "3600", "soon"}[i%3])
	}
	client := releasing(t, ns)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := cleanup.NewReleaser(cleanup.ReleaseConfig{Namespace: ns, ForGood: true}, client, io.Discard).All(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := plane.Client().BatchV1().Jobs(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != jobs {
		t.Fatalf("got %d Jobs and error %v, want %d", len(list.Items), err, jobs)
	}
	for _, j := range list.Items {
		if len(j.Finalizers) != 1 || j.Finalizers[0] != "test.dev/other" {
			t.Errorf("%s: got finalizers %q, want the other one alone", j.Name, j.Finalizers)
		}
		var n int
		if _, err := fmt.Sscan(strings.TrimPrefix(j.Name, "job-"), &n); err != nil {
			t.Fatal(err)
		}
		ttl := j.Spec.TTLSecondsAfterFinished
		if given := n%3 == 1; given != (ttl != nil && *ttl == 3600) || given != (j.Annotations[mark.AdoptedTTL] == "" && n%3 != 0) {
			t.Errorf("%s: got TTL %v and annotations %v, want 3600 given back to each third", j.Name, ttl, j.Annotations)
		}
	}
	pods, err := plane.Client().CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		if len(p.Finalizers) > 0 {
			t.Errorf("%s: got finalizers %q, want none", p.Name, p.Finalizers)
		}
	}
}

// A Job of the same name is another one.
func TestReleaseTouchesNoSuccessor(t *testing.T) {
	ns := plane.Namespace(t)
	gatedJob(t, ns, "a", "")
	stale, err := plane.Client().BatchV1().Jobs(ns).Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`[{"op":"test","path":"/metadata/uid","value":"another-uid"},{"op":"remove","path":"/metadata/finalizers/1","value":null}]`,
		`[{"op":"test","path":"/metadata/uid","value":"` + string(stale.UID) + `"},{"op":"test","path":"/metadata/finalizers/0","value":"epilogue.dev/archive"},{"op":"remove","path":"/metadata/finalizers/0"}]`,
	} {
		_, err := plane.Client().BatchV1().Jobs(ns).Patch(t.Context(), "a", "application/json-patch+json", []byte(body), metav1.PatchOptions{})
		if !apierrors.IsInvalid(err) {
			t.Errorf("got error %v for a patch that does not fit, want Invalid, which the next pass takes as such", err)
		}
	}
	_, err = plane.Client().BatchV1().Jobs(ns).Patch(t.Context(), "a", "application/merge-patch+json", []byte(`{"metadata":{"uid":"another-uid","annotations":{"a":"b"}}}`), metav1.PatchOptions{})
	if !apierrors.IsInvalid(err) {
		t.Errorf("got error %v for a mark that does not fit, want Invalid", err)
	}
}
