//go:build e2e

// Package e2e judges the daemon from outside, on a real cluster: a Job goes in, and the bucket has to hold what its
// containers wrote. The daemon is installed by its chart, in namespaces that enforce the restricted profile.
//
// Every test has Jobs of its own and waits for what it needs; none sleeps. What a container really wrote is known from
// its termination message (package sample).
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// EnvKeep leaves the namespaces standing after the run where it is set.
const EnvKeep = "EPILOGUE_E2E_KEEP"

const openTimeout = 3 * time.Minute

// shared is the daemon of every test that does not harm it.
var shared *stage.Stage

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	s, err := open(ctx, stage.Config{Namespace: "epilogue-e2e"})
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer shut(s)
	shared = s
	code := m.Run()
	if code != 0 {
		s.Dump(os.Stderr)
	}
	return code
}

// open returns a fresh stage: one that an earlier run left is removed first, with its archive.
func open(ctx context.Context, cfg stage.Config) (*stage.Stage, error) {
	tools, err := stage.FromEnvironment()
	if err != nil {
		return nil, err
	}
	client, err := tools.Client()
	if err != nil {
		return nil, err
	}
	if err := stage.Remove(ctx, client, cfg.Namespace); err != nil {
		return nil, err
	}
	return stage.Open(ctx, tools, cfg)
}

// own makes a test a stage with a daemon of its own, which ends with the test.
func own(t *testing.T, cfg stage.Config) *stage.Stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), openTimeout)
	defer cancel()
	s, err := open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.Dump(os.Stderr)
		}
		shut(s)
	})
	return s
}

func shut(s *stage.Stage) {
	s.Close()
	if os.Getenv(EnvKeep) != "" {
		return
	}
	if err := stage.Remove(context.Background(), s.Client, s.Namespace); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
}

// play is one test's Job and the limit of its patience.
type play struct {
	*testing.T
	*stage.Stage
	ctx context.Context //nolint:containedctx // a test's, from its start to its end
	job string
}

// start creates the Job. What is known of it is printed if the test fails.
func start(t *testing.T, s *stage.Stage, job *batchv1.Job, limit time.Duration) *play {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	if _, err := s.Client.BatchV1().Jobs(s.Jobs).Create(ctx, job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		var dump bytes.Buffer
		s.DumpJob(&dump, job.Name)
		t.Log(dump.String())
	})
	return &play{T: t, Stage: s, ctx: ctx, job: job.Name}
}

// pod waits for a pod of the Job in which the condition holds.
func (p *play) pod(until func(*corev1.Pod) bool) *corev1.Pod {
	p.Helper()
	pod, err := p.AwaitPod(p.ctx, p.job, until)
	if err != nil {
		p.Fatal(err)
	}
	return pod
}

// manifest waits for the one manifest of the Job.
func (p *play) manifest() *archive.Manifest {
	p.Helper()
	return p.manifests(1)[0]
}

func (p *play) manifests(n int) []*archive.Manifest {
	p.Helper()
	found, err := p.AwaitManifests(p.ctx, p.job, n)
	if err != nil {
		p.Fatal(err)
	}
	if len(found) != n {
		p.Fatalf("got %d manifests, want %d", len(found), n)
	}
	return found
}

// record returns the manifest's record of an instance.
func (p *play) record(m *archive.Manifest, container string, restart int) archive.InstanceRecord {
	p.Helper()
	for _, r := range m.Instances {
		if r.Container == container && r.Restart == restart {
			return r
		}
	}
	p.Fatalf("manifest has no record of %s[%d]", container, restart)
	return archive.InstanceRecord{}
}

// calledRight: a log with gaps is partial, one without is complete only where no rotation of it was seen.
func (p *play) calledRight(r archive.InstanceRecord) {
	p.Helper()
	want := archive.Complete
	switch {
	case len(r.Gaps) > 0:
		want = archive.Partial
	case r.Seams > 0:
		want = archive.Seamed
	}
	if r.Verdict != want {
		p.Errorf("%s[%d]: got verdict %s (%s) with %d seams and gaps %+v, want %s", r.Container, r.Restart, r.Verdict, r.Reason, r.Seams, r.Gaps, want)
	}
}

// whole checks that the archive holds, of one instance, exactly what its container says it wrote.
func (p *play) whole(m *archive.Manifest, container string, restart int, ended *corev1.ContainerStateTerminated) {
	p.Helper()
	p.wholeIn(m, container, restart, ended, 0)
}

// wholeIn is whole for a container with lines above 64 KiB: each has so many pieces more, at least, which count as
// lines; a line that comes slowly has more of them.
func (p *play) wholeIn(m *archive.Manifest, container string, restart int, ended *corev1.ContainerStateTerminated, more int64) {
	p.Helper()
	want, err := stage.TruthOf(ended)
	if err != nil {
		p.Fatalf("%s[%d]: %v", container, restart, err)
	}
	r := p.record(m, container, restart)
	if r.Verdict != archive.Complete {
		p.Errorf("%s[%d]: got verdict %s (%s), want %s", container, restart, r.Verdict, r.Reason, archive.Complete)
	}
	if r.Log == nil {
		p.Fatalf("%s[%d]: got no log, want %d lines", container, restart, want.Lines)
	}
	if pieces := r.Log.Lines - want.Lines; pieces < more || more == 0 && pieces > 0 {
		p.Errorf("%s[%d]: manifest says %d lines, want %d and %d pieces more", container, restart, r.Log.Lines, want.Lines, more)
	}
	recorded := stage.Truth{Lines: want.Lines, Bytes: r.Log.Bytes, SHA256: r.Log.SHA256}
	if recorded != want {
		p.Errorf("%s[%d]: manifest says %+v, want %+v", container, restart, recorded, want)
	}
	got, err := p.Measured(p.ctx, r.Log.Key)
	if err != nil {
		p.Fatal(err)
	}
	if got != want {
		p.Errorf("%s[%d]: log object holds %+v, want %+v", container, restart, got, want)
	}
}

// noLog checks that nothing was kept of an instance: no record of a log and no object.
func (p *play) noLog(m *archive.Manifest, container string) {
	p.Helper()
	r := p.record(m, container, 0)
	if r.Verdict != archive.NeverStarted || r.Log != nil {
		p.Errorf("%s: got verdict %s and log %+v, want %s and none", container, r.Verdict, r.Log, archive.NeverStarted)
	}
	for object, err := range p.Store.List(p.ctx, m.Pod.Prefix()+container+".", "") {
		if err != nil {
			p.Fatal(err)
		}
		p.Errorf("%s: got object %s, want none", container, object.Key)
	}
}

// status returns the container's status.
func status(pod *corev1.Pod, name string) corev1.ContainerStatus {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if c.Name == name {
			return c
		}
	}
	return corev1.ContainerStatus{}
}

// ended: the container of that name has ended, be the pod still there or not.
func ended(name string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { return status(p, name).State.Terminated != nil }
}
