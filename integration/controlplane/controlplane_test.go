//go:build integration

package controlplane

import (
	"os"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var plane *ControlPlane

func TestMain(m *testing.M) {
	os.Exit(Run(m, func(cp *ControlPlane) { plane = cp }))
}

func TestMissingProgramNamesTheVariable(t *testing.T) {
	t.Setenv(EtcdPath, "")
	_, err := New()
	if err == nil || !strings.Contains(err.Error(), EtcdPath) || !strings.Contains(err.Error(), "make integration") {
		t.Errorf("got error %v, want one that names %s and make integration", err, EtcdPath)
	}
}

func TestKubeconfigFile(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", plane.KubeconfigFile(t))
	if err != nil {
		t.Fatal(err)
	}
	version, err := kubernetes.NewForConfigOrDie(config).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := version.Major, "1"; got != want {
		t.Errorf("got major version %s, want %s", got, want)
	}
}

func TestServiceAccountHasNoRightsAtFirst(t *testing.T) {
	ns := plane.Namespace(t)
	token, err := plane.ServiceAccountToken(t.Context(), ns, "reader")
	if err != nil {
		t.Fatal(err)
	}
	config := &rest.Config{Host: plane.RESTConfig().Host, BearerToken: token}
	config.CAData = plane.RESTConfig().CAData
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("got error %v, want forbidden", err)
	}
}

func TestWatchBreaksAndExpires(t *testing.T) {
	cp := Start(t)
	ns := cp.Namespace(t)
	maps := cp.Client().CoreV1().ConfigMaps(ns)
	old, err := maps.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: old.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	cp.KillAPIServer()
	for range w.ResultChan() { // ends only because the server died
	}
	if err := cp.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cp.RestartAPIServer(); err != nil {
		t.Fatal(err)
	}
	if err := gone(t, cp, ns, old.ResourceVersion); !apierrors.IsGone(err) && !apierrors.IsResourceExpired(err) {
		t.Errorf("got error %v, want 410 Gone", err)
	}
}

// gone returns the error of a watch from a version, whether it comes as status or as first event.
func gone(t *testing.T, cp *ControlPlane, ns, version string) error {
	t.Helper()
	w, err := cp.Client().CoreV1().ConfigMaps(ns).Watch(t.Context(), metav1.ListOptions{ResourceVersion: version})
	if err != nil {
		return err
	}
	defer w.Stop()
	select {
	case e := <-w.ResultChan():
		if e.Type == watch.Error {
			return apierrors.FromObject(e.Object)
		}
		return nil
	case <-time.After(30 * time.Second):
		return nil
	}
}

func TestJobControllerMakesPods(t *testing.T) {
	if err := plane.StartJobController(); err != nil {
		t.Fatal(err)
	}
	ns := plane.Namespace(t)
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "one"}}
	job.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
	}
	pods, err := plane.Client().CoreV1().Pods(ns).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer pods.Stop()
	if _, err := plane.Client().BatchV1().Jobs(ns).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	e, ok := <-pods.ResultChan()
	if !ok || e.Type != watch.Added {
		t.Fatalf("got event %v, want a pod added", e.Type)
	}
	if got, want := e.Object.(*corev1.Pod).Labels["batch.kubernetes.io/job-name"], "one"; got != want {
		t.Errorf("got job name %q, want %q", got, want)
	}
}
