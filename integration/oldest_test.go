//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/controlplane"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/launch"
)

// strict makes the API server refuse a Job with a field that it does not know, which it otherwise leaves out without a
// word. It does that for JSON alone.
type strict struct {
	http.RoundTripper
	asked *atomic.Int64
}

func (s strict) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/jobs") {
		s.asked.Add(1)
		return s.create(r)
	}
	return s.RoundTripper.RoundTrip(r)
}

func (s strict) create(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var job batchv1.Job
	if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, &job); err != nil {
		return nil, err
	}
	if body, err = json.Marshal(&job); err != nil {
		return nil, err
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	again.Header = r.Header.Clone()
	again.Header.Set("Content-Type", "application/json")
	q := r.URL.Query()
	q.Set("fieldValidation", "Strict")
	again.URL.RawQuery = q.Encode()
	return s.RoundTripper.RoundTrip(again)
}

func versionOf(t *testing.T, cp *controlplane.ControlPlane) launch.Server {
	t.Helper()
	v, err := cp.Client().Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	server, err := launch.ParseServer(*v)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// TestServersOfAnyVersion: a launched Job holds the fields that its API server knows, and no others; what takes the
// place of one that it does not know is there. It runs, and the one that cannot run yet waits. `make oldest` asks
// Kubernetes 1.24.
func TestServersOfAnyVersion(t *testing.T) {
	cp, err := managed()
	if err != nil {
		t.Fatal(err)
	}
	server := versionOf(t, cp)
	t.Logf("Kubernetes %s", server)
	since := func(minor int) bool { return server.Minor >= minor }
	set := builds(&shelf{held: map[string]bool{}})
	set.config.Limits.Total = 1
	set.config.Shape.FailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
		Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
			Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{42},
		},
	}}}
	var asked atomic.Int64
	goOn := make(chan struct{})
	h := settle(t, setting{
		launching: set, cleanup: tidy(), wrap: func(rt http.RoundTripper) http.RoundTripper { return strict{rt, &asked} },
	}, func(_ context.Context, p *kubelet.Pod) {
		<-goOn
		quick(0)(nil, p)
	})
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release) // before the node's own, which waits for its pods
	built, err := h.daemon.launch.Build(h.ctx, launch.Build{Workload: workloadID(1), Dockerfile: "FROM scratch", ImageName: "zenml:1"})
	if err != nil {
		t.Fatal(err)
	}
	runs := h.run(launch.Run{Workload: workloadID(2), Environment: map[string]string{"TOKEN": "s3cr3t"}})
	if got := asked.Load(); got != 2 {
		t.Errorf("the API server was asked %d times to be strict, want twice", got)
	}
	for _, ref := range []launch.Ref{built, runs} {
		spec := &h.jobOf(ref).Spec
		if got, want := spec.PodFailurePolicy != nil, since(26); got != want {
			t.Errorf("%s: pod failure policy is there: %v, want %v", ref.Name, got, want)
		}
		if since(29) && (spec.PodReplacementPolicy == nil || *spec.PodReplacementPolicy != batchv1.Failed) {
			t.Errorf("%s: got pod replacement policy %v, want %v", ref.Name, spec.PodReplacementPolicy, batchv1.Failed)
		}
	}
	pod := &h.jobOf(built).Spec.Template
	profile := pod.Spec.Containers[0].SecurityContext.AppArmorProfile
	note := pod.Annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+"main"]
	if got, want := profile != nil, since(30); got != want || profile == nil && note != "unconfined" {
		t.Errorf("the builder's AppArmor profile is %v and its annotation %q, want the one that this version goes by", profile, note)
	}
	// The builder has the one slot; the runner starts once it has ended.
	h.until("the builder's start", h.jobOf(built), func(job *batchv1.Job) bool { return !*job.Spec.Suspend })
	if job := h.jobOf(runs); !*job.Spec.Suspend {
		t.Error("the runner has started, want it to wait for the slot")
	}
	release()
	for _, ref := range []launch.Ref{built, runs} {
		if s := h.ended(ref); s.State != launch.Succeeded {
			t.Errorf("%s: got %+v, want it to succeed", ref.Name, s)
		}
		if m := h.manifests(h.jobOf(ref), 1); m[0].Instances[0].Verdict != archive.Complete {
			t.Errorf("%s: got %+v, want a complete log", ref.Name, m[0].Instances[0])
		}
	}
}
