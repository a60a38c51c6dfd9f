//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
	"github.com/epilogue-dev/epilogue/mark"
)

// held is a finalizer of the tests: a Job that carries it shows when it was deleted.
const held = "test.epilogue.dev/held"

// TestGate has a daemon of its own, which is installed anew with other values for each part.
func TestGate(t *testing.T) {
	t.Parallel()
	quick := []string{"environment.EPILOGUE_GRACE_IMAGE_PULL=3s", "environment.EPILOGUE_STORE_TIMEOUT=3s"}
	s := own(t, stage.Config{Namespace: "epilogue-e2e-gate", Values: append(quick, "dryRun=true")})
	// A part without values goes on with those of the part before.
	part := func(name string, test func(*testing.T, *stage.Stage), values ...string) {
		t.Helper()
		if t.Failed() {
			return
		}
		if values != nil {
			if err := s.Upgrade(t.Context(), append(values, quick...)...); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
	part("dry run", dryRun)
	part("without policies", withoutPolicies, "gate.policies.enabled=false")
	part("stuck", stuckJob)
	part("hindered", hindered, graces...)
	part("store is down", storeIsDown, "gate.adoptTTL=false", "gate.pods.enabled=true")
	part("uninstall", uninstalled, "gate.pods.enabled=true", "launcher.enabled=true",
		"environment.EPILOGUE_SERVICE_ACCOUNT=default")
}

// expires returns a Job of one line that goes so long after its end, by our annotation, and shows when.
func expires(s *stage.Stage, name, ttl string) *batchv1.Job {
	job := s.Job(name, "lines -n 100")
	job.Annotations = map[string]string{mark.TTL: ttl}
	job.Finalizers = []string{held}
	return job
}

// letGo takes the tests' finalizer away.
func (p *play) letGo() {
	p.Helper()
	job, err := p.Client.BatchV1().Jobs(p.Jobs).Get(p.ctx, p.job, metav1.GetOptions{})
	if err != nil {
		p.Fatal(err)
	}
	i := slices.Index(job.Finalizers, held)
	if i < 0 {
		p.Fatalf("got finalizers %q, want %s among them", job.Finalizers, held)
	}
	p.patch(types.JSONPatchType, fmt.Sprintf(`[{"op":"test","path":"/metadata/finalizers/%d","value":%q},{"op":"remove","path":"/metadata/finalizers/%[1]d"}]`, i, held))
}

func (p *play) patch(kind types.PatchType, text string) {
	p.Helper()
	if _, err := p.Client.BatchV1().Jobs(p.Jobs).Patch(p.ctx, p.job, kind, []byte(text), metav1.PatchOptions{}); err != nil {
		p.Fatal(err)
	}
}

// awaitJob waits until the condition holds of the test's Job.
func (p *play) awaitJob(until func(*batchv1.Job) bool) *batchv1.Job {
	p.Helper()
	job, err := p.AwaitJob(p.ctx, p.Jobs, p.job, until)
	if err != nil {
		p.Fatal(err)
	}
	return job
}

func gated(j *batchv1.Job) bool { return j != nil && slices.Contains(j.Finalizers, mark.Finalizer) }

// now returns the Job as it is, nil where it is no more.
func (p *play) now() *batchv1.Job {
	p.Helper()
	list, err := p.Client.BatchV1().Jobs(p.Jobs).List(p.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + p.job})
	if err != nil {
		p.Fatal(err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// A Job whose time is over is named and left as it is.
func dryRun(t *testing.T, s *stage.Stage) {
	p := start(t, s, expires(s, "dry", "0"), 2*minute)
	before := p.awaitJob(stage.Finished)
	p.manifest()
	line, err := s.AwaitOutput(p.ctx, `"dry run"`, `"delete-job"`, `"dry"`)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(line)
	after := p.now()
	if after == nil || after.DeletionTimestamp != nil || after.ResourceVersion != before.ResourceVersion {
		t.Errorf("got Job %+v, want it as it was at its end, in version %s", after, before.ResourceVersion)
	}
	if !slices.Equal(before.Finalizers, []string{held}) || len(before.Annotations) != 1 {
		t.Errorf("got finalizers %q and annotations %v, want the test's own", before.Finalizers, before.Annotations)
	}
	if found, err := stage.Policies(p.ctx, s.Client, s.Namespace); err != nil || len(found) > 0 {
		t.Errorf("got %q and error %v, want no policy", found, err)
	}
	p.letGo()
}

// Nothing stops a foreground deletion here: the pods are deleted at once. What they write meanwhile is read, and what
// could not be proven is named.
func withoutPolicies(t *testing.T, s *stage.Stage) {
	if found, err := stage.Policies(t.Context(), s.Client, s.Namespace); err != nil || len(found) > 0 {
		t.Errorf("got %q and error %v, want no policy", found, err)
	}
	p := start(t, s, s.Job("foreground", "until -rate 100 -last 200"), 2*minute)
	p.awaitJob(gated) // by the daemon itself
	p.talking(100)
	if _, err := s.InJobs(p.ctx, "delete", "job", p.job, "--cascade=foreground", "--wait=false"); err != nil {
		t.Fatal(err)
	}
	pod := p.pod(ended("main"))
	truth := p.truth(pod)
	m := p.manifest()
	p.everyLine(m, truth.Lines)
	if m.Pod.DeletedAt.IsZero() {
		t.Error("manifest has no time of deletion, want one: the pod was deleted before it was sealed")
	}
	t.Logf("verdict %s, gaps %+v", p.record(m, "main", 0).Verdict, p.record(m, "main", 0).Gaps)
	p.awaitJob(stage.Gone)
}

// The store does not answer for as long as it takes some Jobs to end and to be past their time. Nothing of them may go
// before it is back and their logs are in it.
func storeIsDown(t *testing.T, s *stage.Stage) {
	ttl := int32(1)
	ours := start(t, s, expires(s, "ours", "1s"), 4*minute)
	kept := start(t, s, expires(s, "kept", "1s"), 4*minute)
	builtIn := s.Job("built-in", "lines -n 100")
	builtIn.Spec.TTLSecondsAfterFinished, builtIn.Finalizers = &ttl, []string{held}
	kubernetes := start(t, s, builtIn, 4*minute)
	gatedPod := start(t, s, s.Job("gated-pod", "lines -n 100"), 4*minute)
	for _, p := range []*play{ours, kept, kubernetes, gatedPod} {
		if job := p.now(); !gated(job) {
			t.Errorf("%s: got finalizers %q right after its creation, want the gate among them", p.job, job.Finalizers)
		}
	}
	if err := s.PauseStore(ours.ctx); err != nil {
		t.Fatal(err)
	}
	paused := true
	resume := func() {
		if !paused {
			return
		}
		paused = false
		if err := s.ResumeStore(context.WithoutCancel(ours.ctx)); err != nil {
			t.Error(err)
		}
	}
	defer resume()
	for _, p := range []*play{ours, kept, kubernetes, gatedPod} {
		p.awaitJob(stage.Finished)
	}
	pod := gatedPod.pod(ended("main"))
	if err := s.Client.CoreV1().Pods(s.Jobs).Delete(gatedPod.ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	kubernetes.awaitTTL()
	freed := freedByHand(t, s)
	// What its owner says now beats the time that is over, and that waits for the store alone.
	kept.patch(types.MergePatchType, `{"metadata":{"annotations":{"`+mark.Keep+`":"true"}}}`)
	for _, p := range []*play{ours, kept, kubernetes} {
		if job := p.now(); job == nil || job.DeletionTimestamp != nil || !gated(job) {
			t.Errorf("%s: got %+v while the store is down, want it there, gated and not deleted", p.job, job)
		}
	}
	if text, err := s.Logs(gatedPod.ctx, pod.Name); err != nil || strings.Count(text, "\n") != 100 {
		t.Errorf("got %d lines and error %v of a pod that is deleted and gated, want 100", strings.Count(text, "\n"), err)
	}
	resume()
	for _, p := range []*play{ours, kubernetes} {
		p.sealedFirst()
	}
	if m := freed.manifest(); freed.record(m, "main", 0).Log == nil || freed.record(m, "main", 0).Log.Lines != 100 {
		t.Errorf("got %+v of a Job that was let go before the store was back, want the 100 lines that had been read", m.Instances)
	}
	gatedPod.whole(gatedPod.manifest(), "main", 0, status(pod, "main").State.Terminated)
	if err := s.AwaitNoPod(gatedPod.ctx, pod.Name); err != nil {
		t.Error(err)
	}
	kept.awaitJob(func(j *batchv1.Job) bool { return j == nil || j.Annotations[mark.Verdict] != "" })
	if job := kept.now(); job == nil || job.DeletionTimestamp != nil {
		t.Errorf("got %+v after the others have gone, want the Job kept as its annotation says", job)
	}
	kept.letGo()
}

// sealedFirst waits until the Job is deleted, and checks that its logs were safe by then.
func (p *play) sealedFirst() {
	p.Helper()
	job := p.awaitJob(stage.Deleted)
	m := p.manifest()
	// The API server keeps whole seconds.
	if deleted := job.DeletionTimestamp.Time; deleted.Before(m.SealedAt.Truncate(time.Second)) {
		p.Errorf("%s: deleted at %s, sealed at %s, want it sealed first", p.job, deleted, m.SealedAt)
	}
	if r := p.record(m, "main", 0); r.Verdict != archive.Complete || r.Log.Lines != 100 {
		p.Errorf("%s: got verdict %s and %+v, want all 100 lines", p.job, r.Verdict, r.Log)
	}
	p.letGo()
	p.awaitJob(stage.Gone)
}

// awaitTTL waits until the TTL controller has come to the Job, which it may not delete: it deletes one of a longer TTL
// that ends later, in a namespace where nobody holds it.
func (p *play) awaitTTL() {
	p.Helper()
	ttl := int32(3)
	clock := p.Job("clock", "lines")
	clock.Namespace, clock.Spec.TTLSecondsAfterFinished = p.Namespace, &ttl
	if _, err := p.Client.BatchV1().Jobs(p.Namespace).Create(p.ctx, clock, metav1.CreateOptions{}); err != nil {
		p.Fatal(err)
	}
	if _, err := p.AwaitJob(p.ctx, p.Namespace, clock.Name, stage.Gone); err != nil {
		p.Fatal(err)
	}
}

// A pod whose image cannot be had is ended in its time, so that its Job fails, and says why.
func stuckJob(t *testing.T, s *stage.Stage) {
	job := s.Job("stuck", "lines")
	job.Spec.Template.Spec.Containers[0].Image = unpullable
	job.Spec.Template.Spec.Containers[0].ImagePullPolicy = corev1.PullIfNotPresent
	p := start(t, s, job, 2*minute)
	pod := p.pod(waitsForImage)
	failed := stage.FinishOf(p.awaitJob(stage.Finished))
	if failed.Type != batchv1.JobFailed || failed.Reason != batchv1.JobReasonBackoffLimitExceeded {
		t.Errorf("got condition %+v, want failed by its backoff limit", failed)
	}
	if took := failed.LastTransitionTime.Sub(pod.CreationTimestamp.Time); took < 3*time.Second || took > 20*time.Second {
		t.Errorf("got the Job failed %s after its pod was created, want 3 s and a moment", took)
	}
	p.neverStarted()
	event, err := s.AwaitEvent(p.ctx, p.job, "PodCannotStart")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(event.Message, unpullable) && !strings.Contains(event.Message, "ImagePull") {
		t.Errorf("got Event %q, want it to say what cannot be pulled", event.Message)
	}
}
