package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

const (
	zenml    = "zenml"
	workload = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
)

// shelf is an archive with a few Jobs, made by what makes real ones, in a synctest bubble: its times are the same in
// every run.
type shelf struct {
	t      *testing.T
	store  archive.Store
	spool  *spool.Spool
	sealer *seal.Sealer
	now    time.Time
}

// onShelf runs a test with Jobs on a shelf in memory.
func onShelf(t *testing.T, test func(*testing.T, *shelf)) {
	t.Helper()
	inBubble(t, func(t *testing.T) { test(t, newShelf(t, storetest.NewMemory(t))) })
}

// inBubble runs a test in a bubble. Its clock is moved on, because times before 2000 look strange.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t) })
}

func newShelf(t *testing.T, store archive.Store) *shelf {
	t.Helper()
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	spool, err := spool.Open(spool.Config{
		Dir: t.TempDir(), Limit: 1 << 30, Memory: 64 << 20, FlushInterval: time.Second,
	}, codec, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{t: t, store: store, spool: spool, now: time.Now()}
	s.sealer = seal.New(store, spool, "replica-0", slog.New(slog.DiscardHandler), func(error) {})
	s.nightly()
	s.hourly()
	s.stuck()
	return s
}

// before is a time of so many minutes ago.
func (s *shelf) before(minutes int) time.Time {
	return s.now.Add(-time.Duration(minutes) * time.Minute).UTC()
}

func ref(job, pod string) archive.PodRef {
	return archive.PodRef{
		Namespace: zenml, Job: job, JobUID: archive.JobUID(job + "-uid"), Pod: pod, PodUID: archive.PodUID(pod + "-uid"),
	}
}

// log keeps lines of a container, a second from each other, and returns what is known of it then.
func (s *shelf) log(pod archive.PodRef, container string, kind archive.ContainerKind, minutes int, gap *archive.Gap, lines ...string) archive.InstanceRecord {
	s.t.Helper()
	l, err := s.spool.Log(archive.Instance{PodRef: pod, Container: container, Kind: kind, ContainerID: "containerd://" + pod.Pod + container})
	if err != nil {
		s.t.Fatal(err)
	}
	for i, text := range lines {
		if gap != nil && gap.AfterLine == int64(i) {
			l.Gap(*gap)
		}
		at := s.before(minutes).Add(time.Duration(i) * time.Second).UnixNano()
		if _, err := l.Append(archive.Line{Time: at, Text: []byte(text)}); err != nil {
			s.t.Fatal(err)
		}
	}
	r, err := s.sealer.Log(s.t.Context(), l)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func ended(r archive.InstanceRecord, code int32, reason string, start, end time.Time) archive.InstanceRecord {
	r.State = archive.ContainerState{
		Image: "registry.example.com/zenml:0.93", ExitCode: &code, Reason: reason, StartedAt: start, FinishedAt: end,
	}
	return r
}

func (s *shelf) seal(m *archive.Manifest) {
	s.t.Helper()
	if err := s.sealer.Pod(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) finish(d *archive.JobDocument, job archive.PodRef) {
	s.t.Helper()
	d.Namespace = job.Namespace
	if _, err := s.sealer.Job(s.t.Context(), job, d); err != nil {
		s.t.Fatal(err)
	}
}

// nightly failed twice; a part of its second try's log was rotated away.
func (s *shelf) nightly() {
	limit := int32(1)
	job := archive.JobSummary{
		Name: "nightly", UID: "nightly-uid", Labels: map[string]string{"tier": "nightly", "app": "zenml"}, CreatedAt: s.before(90),
		StartedAt: s.before(90), FinishedAt: s.before(60), Failed: 2, BackoffLimit: &limit,
		Conditions: []archive.Condition{{Type: "Failed", Status: "True", Reason: "BackoffLimitExceeded", Message: "Job has reached the specified backoff limit"}},
	}
	for n, name := range []string{"nightly-aaaaa", "nightly-bbbbb"} {
		pod := ref("nightly", name)
		start := 90 - 15*n
		m := &archive.Manifest{
			Job: &job, Workloads: []string{workload}, Diagnosis: "container main ended with exit code 1 (Error)",
			Pod: archive.PodSummary{
				PodRef: pod, Phase: "Failed", Node: "node-1", ServiceAccount: "runner", CreatedAt: s.before(start), StartedAt: s.before(start),
			},
			Events: []archive.Event{{Object: "pod", Type: "Normal", Reason: "Pulled", Message: "Container image already present", Count: 1, Last: s.before(start)}},
		}
		lines := []string{"start \x1b[32mok\x1b[0m", fmt.Sprintf("try %d", n+1), "Traceback: \x1b]0;gone\x07 boom"}
		var gap *archive.Gap
		if n == 1 {
			gap = &archive.Gap{AfterLine: 2, From: s.before(70).UnixNano(), To: s.before(65).UnixNano(), Reason: archive.GapRotated, Detail: "first record of the file was never served"}
			m.Instances = append(m.Instances, ended(s.log(pod, "setup", archive.KindInit, start, nil, "clone"), 0, "Completed", s.before(start), s.before(start-1)))
		}
		m.Instances = append(m.Instances, ended(s.log(pod, "main", archive.KindMain, start-2, gap, lines...), 1, "Error", s.before(start-2), s.before(start-10)))
		s.seal(m)
	}
	s.finish(&archive.JobDocument{Job: job, Workloads: []string{workload}}, ref("nightly", ""))
}

// hourly succeeded without a word.
func (s *shelf) hourly() {
	pod := ref("hourly", "hourly-ccccc")
	job := archive.JobSummary{
		Name: "hourly", UID: pod.JobUID, CreatedAt: s.before(40), StartedAt: s.before(40), FinishedAt: s.before(39), Succeeded: 1,
		Conditions: []archive.Condition{{Type: "Complete", Status: "True"}},
	}
	r := ended(s.log(pod, "main", archive.KindMain, 40, nil), 0, "Completed", s.before(40), s.before(39))
	s.seal(&archive.Manifest{
		Job: &job, Diagnosis: "succeeded", Instances: []archive.InstanceRecord{r},
		Pod: archive.PodSummary{PodRef: pod, Phase: "Succeeded", CreatedAt: s.before(40), StartedAt: s.before(40)},
	})
	s.finish(&archive.JobDocument{Job: job}, pod)
}

// stuck never started; its Job has no end yet.
func (s *shelf) stuck() {
	pod := ref("stuck", "stuck-ddddd")
	s.seal(&archive.Manifest{
		Job: &archive.JobSummary{Name: "stuck", UID: pod.JobUID, CreatedAt: s.before(20)}, Diagnosis: "image registry.example.com/none could not be pulled",
		Pod: archive.PodSummary{
			PodRef: pod, Phase: "Pending", CreatedAt: s.before(20),
			Containers: []archive.ContainerSpec{{Name: "main", Kind: archive.KindMain, Image: "registry.example.com/none"}},
		},
		Instances: []archive.InstanceRecord{{
			Instance: archive.Instance{PodRef: pod, Container: "main", Kind: archive.KindMain}, Verdict: archive.NeverStarted,
			Reason: "ImagePullBackOff: not found", State: archive.ContainerState{Reason: "ImagePullBackOff", Message: "not found"},
		}},
	})
}

// screen is a program with what it wrote.
type screen struct {
	*program
	out, errOut *bytes.Buffer
	env         map[string]string
}

// screen returns a program that reads the shelf.
func (s *shelf) screen() *screen {
	c := newScreen()
	reader, err := newReader(s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	c.origin = reader
	return c
}

// newScreen returns a program without cluster, environment and terminal.
func newScreen() *screen {
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	c := &screen{program: newProgram(streams, "v1.2.3"), out: out, errOut: errOut, env: map[string]string{}}
	c.lookup = func(name string) (string, bool) {
		text, ok := c.env[name]
		return text, ok
	}
	c.about = func() string { return "(commit 8bf2b02c6d1f, 2026-11-24T09:13:23Z, go1.26.8, linux/amd64)" }
	none := os.DevNull
	c.kube.KubeConfig = &none
	return c
}

// does runs the program once, in the namespace of the shelf.
func (c *screen) does(ctx context.Context, args ...string) int {
	return c.run(ctx, append([]string{"-n", zenml}, args...))
}

// shelfInFolder returns file:/// of a folder with the shelf's Jobs.
func shelfInFolder(t *testing.T) (*shelf, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "archive")
	store, err := dir.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return newShelf(t, store), "file://" + root
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return o
}
