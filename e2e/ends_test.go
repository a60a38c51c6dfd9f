//go:build e2e

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// unpullable needs no registry: the port is closed, and nothing leaves the machine.
const unpullable = "localhost:1/none:1"

func waitsForImage(pod *corev1.Pod) bool {
	w := status(pod, "main").State.Waiting
	return w != nil && (w.Reason == "ErrImagePull" || w.Reason == "ImagePullBackOff")
}

// stuck starts a Job whose image cannot be pulled, and returns when the kubelet has said so.
func stuck(t *testing.T, name string) (*play, *corev1.Pod) {
	t.Helper()
	job := shared.Job(name, "lines")
	job.Spec.Template.Spec.Containers[0].Image = unpullable
	job.Spec.Template.Spec.Containers[0].ImagePullPolicy = corev1.PullIfNotPresent
	p := start(t, shared, job, 2*minute)
	return p, p.pod(waitsForImage)
}

// neverStarted checks the manifest of a pod whose image could not be pulled.
func (p *play) neverStarted() {
	p.Helper()
	m := p.manifest()
	p.noLog(m, "main")
	if r := p.record(m, "main", 0); !strings.Contains(r.Reason, "ErrImagePull") && !strings.Contains(r.Reason, "ImagePullBackOff") {
		p.Errorf("got reason %q, want ErrImagePull or ImagePullBackOff in it", r.Reason)
	}
}

func TestImageCannotBePulled(t *testing.T) {
	t.Parallel()
	p, pod := stuck(t, "no-image")
	_, err := p.Client.CoreV1().Pods(p.Jobs).Patch(p.ctx, pod.Name, types.MergePatchType,
		[]byte(`{"spec":{"activeDeadlineSeconds":1}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.neverStarted()
}

func TestImageCannotBePulledAndJobIsDeleted(t *testing.T) {
	t.Parallel()
	p, _ := stuck(t, "no-image-deleted")
	p.deleteJob()
	p.neverStarted()
}

func (p *play) deleteJob() {
	p.Helper()
	background := metav1.DeletePropagationBackground
	err := p.Client.BatchV1().Jobs(p.Jobs).Delete(p.ctx, p.job, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil {
		p.Fatal(err)
	}
}

// lastNumber asks the log API for the number of the newest line, 0 where there is none yet.
func (p *play) lastNumber(pod *corev1.Pod) int64 {
	p.Helper()
	one := int64(1)
	b, err := p.Client.CoreV1().Pods(p.Jobs).GetLogs(pod.Name, &corev1.PodLogOptions{Container: "main", TailLines: &one}).DoRaw(p.ctx)
	if err != nil {
		p.Fatal(err)
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	// Before the runtime has made the file, the kubelet answers with an error's text and status 200.
	n, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// talking waits until the container has written some lines.
func (p *play) talking(least int64) (*corev1.Pod, int64) {
	p.Helper()
	pod := p.pod(stage.Running)
	for {
		if n := p.lastNumber(pod); n >= least {
			return pod, n
		}
	}
}

// truth is what the pod's main container said of its own log when it ended.
func (p *play) truth(pod *corev1.Pod) stage.Truth {
	p.Helper()
	truth, err := stage.TruthOf(status(pod, "main").State.Terminated)
	if err != nil {
		p.Fatal(err)
	}
	return truth
}

// everyLine checks a log that was cut short from outside: it begins with line 1, has no hole and no line twice, and
// goes at least to the given one. Where its end could not be proven, and only there, a gap stands.
func (p *play) everyLine(m *archive.Manifest, least int64) {
	p.Helper()
	r := p.record(m, "main", 0)
	if r.Log == nil {
		p.Fatalf("got no log (%s: %s), want %d lines or more", r.Verdict, r.Reason, least)
	}
	numbers, err := p.Numbers(p.ctx, r.Log.Key)
	if err != nil {
		p.Fatal(err)
	}
	for i, n := range numbers {
		if n != int64(i)+1 {
			p.Fatalf("line %d has number %d, want %d", i+1, n, i+1)
		}
	}
	if got := int64(len(numbers)); got < least {
		p.Errorf("got %d lines, want %d or more", got, least)
	}
	for _, g := range r.Gaps {
		if g.AfterLine != r.Log.Lines {
			p.Errorf("got gap %+v, want none but at the end, after line %d", g, r.Log.Lines)
		}
	}
	p.calledRight(r)
}

// A Job that is deleted while it runs has 30 s for its last words, and they are kept. The gate holds the Job, so that
// its pod is not deleted but comes to its own deadline, which leaves the log to be read to its end. Then the Job goes.
func TestJobIsDeleted(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("deleted", "until -rate 100 -last 300"), 2*minute)
	p.talking(100)
	p.deleteJob()
	m := p.wholeThenGone()
	if got, want := m.Pod.Reason, "DeadlineExceeded"; got != want || !m.Pod.DeletedAt.IsZero() {
		t.Errorf("got a pod that ended by %q and was deleted at %s, want %s and no deletion", got, m.Pod.DeletedAt, want)
	}
}

func TestForceDelete(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("force-deleted", "until -rate 100"), 2*minute)
	pod, wrote := p.talking(200)
	now := int64(0)
	background := metav1.DeletePropagationBackground
	// The Job first, or it makes another pod.
	err := p.Client.BatchV1().Jobs(p.Jobs).Delete(p.ctx, p.job, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Client.CoreV1().Pods(p.Jobs).Delete(p.ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	m := p.manifest()
	p.everyLine(m, wrote)
	if r := p.record(m, "main", 0); r.Verdict != archive.Partial || len(r.Gaps) == 0 || r.Gaps[0].Reason != archive.GapDeleted {
		t.Errorf("got verdict %s with gaps %+v, want %s with reason %s: nobody can prove such an end",
			r.Verdict, r.Gaps, archive.Partial, archive.GapDeleted)
	}
}

func TestEvictionThroughTheAPI(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("evicted", "until -rate 100 -last 100"), 2*minute)
	pod, _ := p.talking(100)
	err := p.Client.CoreV1().Pods(p.Jobs).EvictV1(p.ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: p.Jobs}})
	if err != nil {
		t.Fatal(err)
	}
	gone := p.pod(func(x *corev1.Pod) bool { return x.UID == pod.UID && ended("main")(x) })
	truth := p.truth(gone)
	p.everyLine(p.manifest(), truth.Lines)
}

func TestMemoryRunsOut(t *testing.T) {
	t.Parallel()
	job := shared.Job("oom", "lines -n 100 then sleep 2s then oom")
	job.Spec.Template.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	p := start(t, shared, job, 2*minute)
	pod := p.pod(stage.Over)
	m := p.manifest()
	ended := status(pod, "main").State.Terminated
	p.whole(m, "main", 0, ended)
	if got, want := p.record(m, "main", 0).State.Reason, ended.Reason; got != want {
		t.Errorf("got reason %q, want the kubelet's, %q", got, want)
	}
	// On a busy machine with cgroup v1 containerd can miss the kernel's word and report the signal alone.
	wanted := map[string]string{"OOMKilled": "was OOMKilled", "Error": "was ended by signal 9"}[ended.Reason]
	for _, want := range []string{wanted, "limit of 64Mi"} {
		if want == "" || !strings.Contains(m.Diagnosis, want) {
			t.Errorf("got diagnosis %q for %q, want %q in it", m.Diagnosis, ended.Reason, want)
		}
	}
}

// The Job controller deletes the pods of a Job whose time is up, and their logs with them.
func TestJobDeadline(t *testing.T) {
	t.Parallel()
	job := shared.Job("deadline", "until -rate 100 -last 50")
	seconds := int64(6)
	job.Spec.ActiveDeadlineSeconds = &seconds
	p := start(t, shared, job, 2*minute)
	pod := p.pod(ended("main"))
	truth := p.truth(pod)
	m := p.manifest()
	p.everyLine(m, truth.Lines)
	if got := fmt.Sprint(m.Job); !strings.Contains(got, "DeadlineExceeded") {
		t.Logf("Job as the manifest has it: %s", got)
	}
}
