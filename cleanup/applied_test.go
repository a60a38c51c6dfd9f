package cleanup

import (
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

func labelled(key, value string) func(*batchv1.Job) {
	return func(j *batchv1.Job) { j.Labels[key] = value }
}

// forJob is a pod that is held in the place of its Job.
func forJob(p *Pod) {
	held(p)
	p.Annotations = map[string]string{mark.HeldForJob: "true"}
}

// TestAppliedJobs: a Job whose name comes again is not held, but its pods are, against its deletion alone.
func TestAppliedJobs(t *testing.T) {
	helm := annotated(mark.HelmRelease, "web")
	only := func(s *config.Cleanup) { s.Gate = config.GateLaunchedOnly }
	never := func(s *config.Cleanup) { s.Gate = config.GateNever }
	gone := deletedAt(started1)
	check(t, []row{
		{"a hook of Helm", Facts{Job: job(open, annotated(mark.HelmHook, "pre-upgrade"))}, nil, started1, "keep running"},
		{"a hook of Argo CD", Facts{Job: job(open, annotated(mark.ArgoHook, "PreSync"))}, nil, started1, "keep running"},
		{"of a release of Helm", Facts{Job: job(open, helm), Pods: []Pod{pod("a"), pod("b", held), pod("c", sealed), pod("d", unproven), pod("e", ending(started1)), pod("f", orphan)}},
			nil, started1, "hold-pod gate a, wait gate 08:00, keep running"},
		{"of Argo CD", Facts{Job: job(open, annotated(mark.ArgoTracking, "web:batch/Job:jobs/job")), Pods: []Pod{pod("a")}}, nil, started1, "hold-pod gate a, keep running"},
		{"of Flux", Facts{Job: job(open, labelled(mark.FluxKustomization, "web")), Pods: []Pod{pod("a")}}, nil, started1, "hold-pod gate a, keep running"},
		{"of a CronJob with such a mark", Facts{Job: job(open, helm, ofCronJob), Pods: []Pod{pod("a")}}, nil, started1, "hold gate, keep cronjob"},
		{"of a CronJob whose owner wants it so", Facts{Job: job(open, annotated(mark.Gate, mark.GatePods), ofCronJob), Pods: []Pod{pod("a")}}, nil, started1, "hold-pod gate a, keep cronjob"},
		{"another word there", Facts{Job: job(open, annotated(mark.Gate, "job")), Pods: []Pod{pod("a")}}, nil, started1, "hold gate, keep running"},
		{"it has just ended", Facts{Job: job(done, open, helm), Pods: []Pod{pod("a", succeeded)}}, nil, ended, "hold-pod gate a, wait ttl-success 12:00"},
		{"it was released by hand", Facts{Job: job(open, helm, annotated(mark.Released, "2026-11-24T08:00:00Z")), Pods: []Pod{pod("a")}}, nil, started1, "keep running"},
		{"launched only", Facts{Job: job(open, helm), Pods: []Pod{pod("a")}}, only, started1, "keep running"},
		{"never", Facts{Job: job(open, helm), Pods: []Pod{pod("a")}}, never, started1, "keep running"},
		{"one that is held from before stays held", Facts{Job: job(helm), Pods: []Pod{pod("a")}}, nil, started1, "keep running"},
		{"its pod is deleted, and it stays", Facts{Job: job(open, helm), Pods: []Pod{pod("a", forJob, ending(started1))}}, nil, started1, "keep running, release-pod deleting a"},
		{"a pod that is held for itself", Facts{Job: job(open, helm), Pods: []Pod{pod("a", held, ending(started1))}}, nil, started1, "keep running, wait deadline 09:00"},
		{"it is deleted in the foreground", Facts{Job: job(open, helm, gone), Pods: []Pod{pod("a", forJob, ending(started1))}}, nil, started1, "keep deleting, wait deadline 09:00"},
		{"it is gone", Facts{Pods: []Pod{pod("a", forJob, ending(started1))}}, nil, started1, "keep deleting, wait deadline 09:00"},
		{"it is gone, and the pod is sealed", Facts{Pods: []Pod{pod("a", forJob, ending(started1), sealed)}}, nil, started1, "keep deleting, release-pod sealed a"},
		{"it is gone, and the time is over", Facts{Pods: []Pod{pod("a", forJob, ending(started1))}}, nil, noon, "keep deleting, release-pod deadline a"},
	})
}

// TestAppliedJobLeavesItsName: it goes as soon as somebody deletes it, and its pod stays until it is sealed.
func TestAppliedJobLeavesItsName(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.start()
		j, p := b.finished("a", func(j *batchv1.Job) {
			j.Finalizers, j.Annotations = nil, map[string]string{mark.HelmRelease: "web"}
		})
		after(time.Minute)
		if got := b.job("a").Finalizers; len(got) > 0 {
			t.Errorf("got finalizers %v on the Job, want none", got)
		}
		if got := b.api.pod(p.Name); !slices.Contains(got.Finalizers, mark.Finalizer) || got.Annotations[mark.HeldForJob] == "" {
			t.Fatalf("got %+v, want the gate on the pod, for its Job", got.ObjectMeta)
		}
		background := metav1.DeletePropagationBackground
		b.api.mu.Lock()
		// Without preconditions there is no error.
		_ = b.api.remove(j, &metav1.DeleteOptions{PropagationPolicy: &background}, false)
		b.api.mu.Unlock()
		after(30 * time.Minute)
		if b.job("a") != nil {
			t.Error("the Job is there still, and its name is not free")
		}
		if got := b.api.pod(p.Name); got == nil || got.DeletionTimestamp == nil {
			t.Fatalf("got %v, want the pod deleted and held", got)
		}
		b.seal(b.api.pod(p.Name), archive.Complete)
		after(time.Minute)
		if b.api.pod(p.Name) != nil {
			t.Error("the pod is held still, with its manifest written")
		}
	})
}

// TestReleasePodsThatAreLeft: of a Job that is gone the pods are freed by its name, and those of the one that has its
// name now with it.
func TestReleasePodsThatAreLeft(t *testing.T) {
	yes := true
	left := gatedPod("a-old", "a", mark.Finalizer)
	left.OwnerReferences[0].UID, left.OwnerReferences[0].Controller = "older-uid", &yes
	for name, jobs := range map[string][]runtime.Object{"gone": nil, "made anew": {gated("a", nil)}} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(append(jobs, left.DeepCopy(), gatedPod("b-1", "b", mark.Finalizer))...)
			var out strings.Builder
			if err := NewReleaser(ReleaseConfig{Namespace: "jobs", DryRun: true}, client, &out).Job(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			if want := "pod/a-old would be released\n"; !strings.HasPrefix(out.String(), want) || strings.Contains(out.String(), "b-1") {
				t.Errorf("got %q, want %q and no other pod", out.String(), want)
			}
			if err := NewReleaser(ReleaseConfig{Namespace: "jobs"}, client, &out).Job(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			pod, err := client.CoreV1().Pods("jobs").Get(t.Context(), "a-old", metav1.GetOptions{})
			if err != nil || len(pod.Finalizers) > 0 {
				t.Errorf("got %v with finalizers %v, want none", err, pod.Finalizers)
			}
		})
	}
}
