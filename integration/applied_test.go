//go:build integration

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestHelmInstallsAgain: while nothing can be archived a release is uninstalled, installed and upgraded with Helm
// itself, as it comes. Each time its Job, and its hook, is a new one that runs, as on a cluster without a daemon; and
// the logs of those that went are archived as soon as that can be done.
func TestHelmInstallsAgain(t *testing.T) {
	t.Parallel()
	store := newStop(storetest.NewMemory(t))
	h := settle(t, setting{cleanup: tidy(), store: store, patience: 2 * patience}, quick(0))
	store.close()
	r := h.release()
	r.helm("install", "web", r.chart)
	first := r.ran("ordinary")
	r.helm("uninstall", "web")
	r.helm("install", "web", r.chart)
	second := r.ran("ordinary")
	if first.UID == second.UID || h.get(second).DeletionTimestamp != nil {
		t.Errorf("got Job %s, being deleted: %t, want a new one after %s", second.UID, h.get(second).DeletionTimestamp != nil, first.UID)
	}
	r.helm("upgrade", "web", r.chart)
	hook := r.ran("hook")
	r.helm("upgrade", "web", r.chart)
	if again := r.ran("hook"); again.UID == hook.UID {
		t.Errorf("got hook %s after the second upgrade, want that it ran once more", again.UID)
	}
	store.open()
	for _, gone := range []*batchv1.Job{first, hook} {
		m := h.manifests(gone, 1)[0]
		if got, want := m.Instances[0].Verdict, archive.Complete; got != want {
			t.Errorf("%s: got verdict %s (%s), want %s", gone.Name, got, m.Instances[0].Reason, want)
		}
		h.await("its pod to go", func() bool { return len(h.podsOf(gone)) == 0 })
	}
}

// release is a chart with a Job and a hook, and what it takes to install it.
type release struct {
	*house
	chart, kubeconfig string
}

func (h *house) release() *release {
	h.t.Helper()
	r := &release{house: h, chart: h.t.TempDir(), kubeconfig: h.set.plane.KubeconfigFile(h.t)}
	job := func(name, annotations string) string {
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: " + name + ", annotations: {" + annotations + "}}\n" +
			"spec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n" +
			"      containers: [{name: main, image: 'registry.example/main:1'}]\n"
	}
	must(h.t, os.MkdirAll(filepath.Join(r.chart, "templates"), 0o755))
	for name, text := range map[string]string{
		"Chart.yaml":              "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"templates/ordinary.yaml": job("ordinary", ""),
		"templates/hook.yaml":     job("hook", "helm.sh/hook: pre-upgrade"),
	} {
		must(h.t, os.WriteFile(filepath.Join(r.chart, name), []byte(text), 0o600))
	}
	return r
}

func (r *release) helm(args ...string) {
	r.t.Helper()
	helm := os.Getenv(envHelm)
	if helm == "" {
		r.t.Fatalf("%s is empty, want the path of helm; make integration sets it", envHelm)
	}
	said, err := exec.CommandContext(r.ctx, helm, append(args, "--kubeconfig", r.kubeconfig, "-n", r.ns)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("helm %v: %v: %s", args, err, said)
	}
}

// ran returns the Job of that name once it has ended, and its pod is held in its place.
func (r *release) ran(name string) *batchv1.Job {
	r.t.Helper()
	job, err := r.set.plane.Client().BatchV1().Jobs(r.ns).Get(r.ctx, name, metav1.GetOptions{})
	must(r.t, err)
	job = r.until("the end of "+name, job, ends)
	if slices.Contains(job.Finalizers, mark.Finalizer) {
		r.t.Errorf("%s: got finalizers %v, want no gate on it", name, job.Finalizers)
	}
	r.await("the gate on the pod of "+name, func() bool {
		pods := r.podsOf(job)
		return len(pods) == 1 && slices.Contains(pods[0].Finalizers, mark.Finalizer)
	})
	return job
}

// TestReplacedWhileTheDaemonIsAway: a Job of which the pods are held in its place is deleted while no daemon is there.
// It goes, and its pod ends as on a cluster without one; when the daemon is back the log is sealed, and the pod goes.
func TestReplacedWhileTheDaemonIsAway(t *testing.T) {
	t.Parallel()
	h := settle(t, setting{cleanup: tidy()}, chatty)
	job := h.launch("replaced", func(j *batchv1.Job) { j.Annotations[mark.Gate] = mark.GatePods })
	p := h.podOf(job)
	h.await("the gate on its pod", func() bool {
		pods := h.podsOf(job)
		return len(pods) == 1 && slices.Contains(pods[0].Finalizers, mark.Finalizer)
	})
	h.stop()
	h.delete(job, metav1.DeletePropagationBackground)
	h.untilGone(job)
	h.await("its container to end", func() bool { return p.Instances()[0].Ended() })
	if pods := h.podsOf(job); len(pods) != 1 || pods[0].DeletionTimestamp == nil {
		t.Errorf("got %d pods, want one that is deleted and held", len(pods))
	}
	h.start()
	if got := h.manifests(job, 1)[0].Instances[0].Verdict; got != archive.Complete && got != archive.Partial {
		t.Errorf("got verdict %s, want complete or partial", got)
	}
	h.await("its pod to go", func() bool { return len(h.podsOf(job)) == 0 })
}

// podsOf returns the Job's pods that are in the API server.
func (h *house) podsOf(job *batchv1.Job) []corev1.Pod {
	h.t.Helper()
	list, err := h.set.plane.Client().CoreV1().Pods(h.ns).List(h.ctx, metav1.ListOptions{LabelSelector: batchv1.ControllerUidLabel + "=" + string(job.UID)})
	must(h.t, err)
	return list.Items
}
