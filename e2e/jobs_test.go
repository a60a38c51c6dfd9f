//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

const minute = time.Minute

func TestJobSucceeds(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("succeeds", "lines -n 1000 -rate 500"), 2*minute)
	pod := p.pod(stage.Over)
	m := p.manifest()
	p.whole(m, "main", 0, status(pod, "main").State.Terminated)
	if got, want := m.Pod.Phase, "Succeeded"; got != want {
		t.Errorf("got phase %s, want %s", got, want)
	}
	if m.Job == nil || m.Job.Name != "succeeds" {
		t.Errorf("got Job %+v, want it in the manifest", m.Job)
	}
	p.sameTimes(m, pod.Name)
	p.object(m.Pod.JobKey())
	p.object(m.Pod.DayIndexKey(m.Job.CreatedAt))
}

// sameTimes checks every line's time against the one that kubectl shows. The log must not have been rotated.
func (p *play) sameTimes(m *archive.Manifest, pod string) {
	p.Helper()
	out, err := p.Logs(p.ctx, pod, "--timestamps")
	if err != nil {
		p.Fatal(err)
	}
	codec, err := format.NewCodec()
	if err != nil {
		p.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	n := 0
	err = archivetest.StoredLines(p.ctx, codec, p.Store, p.record(m, "main", 0).Log.Key, 0, func(l archive.Line) bool {
		if n < len(want) {
			stamp, text, _ := strings.Cut(want[n], " ")
			at, err := time.Parse(time.RFC3339Nano, stamp)
			if err != nil || l.Time != at.UnixNano() || string(l.Text) != text {
				p.Errorf("line %d: got time %d and %q, want %q", n+1, l.Time, l.Text, want[n])
				return false
			}
		}
		n++
		return true
	})
	if err != nil || n != len(want) {
		p.Errorf("got %d lines with times (error: %v), want %d", n, err, len(want))
	}
}

// object waits until the bucket holds the key.
func (p *play) object(key archive.Key) {
	p.Helper()
	if err := p.AwaitObject(p.ctx, key); err != nil {
		p.Fatal(err)
	}
}

func TestJobFails(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("fails", `text one\ntwo\nunfinished then exit 3`), 2*minute)
	pod := p.pod(stage.Over)
	m := p.manifest()
	p.whole(m, "main", 0, status(pod, "main").State.Terminated)
	r := p.record(m, "main", 0)
	if r.State.ExitCode == nil || *r.State.ExitCode != 3 {
		t.Errorf("got state %+v, want exit code 3", r.State)
	}
	if got, want := m.Diagnosis, "container main failed with exit code 3"; len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("got diagnosis %q, want %q and the time", got, want)
	}
}

func TestJobIsSilent(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("silent", "sleep 1s"), 2*minute)
	m := p.manifest()
	if r := p.record(m, "main", 0); r.Verdict != archive.Empty || r.Log != nil {
		t.Errorf("got verdict %s and log %+v, want %s and none", r.Verdict, r.Log, archive.Empty)
	}
}

func TestSeveralContainers(t *testing.T) {
	t.Parallel()
	job := shared.Job("several", "lines -n 500 -rate 250")
	spec := &job.Spec.Template.Spec
	spec.InitContainers = []corev1.Container{shared.Container("prepare", `text prepared\n`)}
	spec.Containers = append(spec.Containers, shared.Container("beside", "long -bytes 100000 then sleep 1s then long -bytes 70000 -end=false"))
	p := start(t, shared, job, 2*minute)
	pod := p.pod(stage.Over)
	m := p.manifest()
	// Lines of 100,000 and 70,000 bytes.
	for name, more := range map[string]int64{"prepare": 0, "main": 0, "beside": 2} {
		p.wholeIn(m, name, 0, status(pod, name).State.Terminated, more)
	}
	if got, want := p.record(m, "prepare", 0).Kind, archive.KindInit; got != want {
		t.Errorf("got kind %s, want %s", got, want)
	}
}

// The second attempt lives for some seconds: the kubelet keeps one dead instance, so the first one's end can be proven
// only until the second one ends.
func TestPodRestarts(t *testing.T) {
	t.Parallel()
	job := shared.Job("restarts", "lines -n 200 -rate 400 then once /scratch/attempt 9 then lines -n 300 -from 201 then sleep 6s")
	spec := &job.Spec.Template.Spec
	retries := int32(3)
	job.Spec.BackoffLimit, spec.RestartPolicy = &retries, corev1.RestartPolicyOnFailure
	// Outlives the container and not the pod: how the second attempt knows that it is one.
	spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}}
	p := start(t, shared, job, 3*minute)
	pod := p.pod(func(pod *corev1.Pod) bool { return stage.Over(pod) && status(pod, "main").RestartCount == 1 })
	m := p.manifest()
	p.whole(m, "main", 0, status(pod, "main").LastTerminationState.Terminated)
	p.whole(m, "main", 1, status(pod, "main").State.Terminated)
}

// The kubelet keeps one rotated file and serves none: what is not read while it is written is lost.
func TestRotation(t *testing.T) {
	t.Parallel()
	p := start(t, shared, shared.Job("rotates", "lines -n 60000 -rate 5000 -size 100"), 3*minute)
	pod := p.pod(stage.Over)
	m := p.manifest()
	p.account(m, status(pod, "main").State.Terminated)
	if r := p.record(m, "main", 0); r.Verdict != archive.Seamed || r.Seams == 0 {
		p.Errorf("got verdict %s with %d seams, want %s: it was rotated and no file was skipped", r.Verdict, r.Seams, archive.Seamed)
	}
	p.byProgram(p.record(m, "main", 0).Log)
}

// byProgram decompresses the object with the zstd that people have.
func (p *play) byProgram(log *archive.LogRecord) {
	p.Helper()
	if _, err := exec.LookPath("zstd"); err != nil {
		p.Log("zstd is not installed: only the library has read the object")
		return
	}
	object, _, err := p.Store.Get(p.ctx, log.Key, archive.Range{})
	if err != nil {
		p.Fatal(err)
	}
	defer object.Close()
	sum := sha256.New()
	cmd := exec.CommandContext(p.ctx, "zstd", "-dc")
	cmd.Stdin, cmd.Stdout = object, sum
	if err := cmd.Run(); err != nil {
		p.Fatal(err)
	}
	if got, want := fmt.Sprintf("%x", sum.Sum(nil)), log.SHA256; got != want {
		p.Errorf("zstd -dc gives SHA-256 %s, want %s", got, want)
	}
}

func TestInitContainerFails(t *testing.T) {
	t.Parallel()
	job := shared.Job("init-fails", "lines -n 10")
	job.Spec.Template.Spec.InitContainers = []corev1.Container{shared.Container("prepare", `text no\n then exit 7`)}
	p := start(t, shared, job, 2*minute)
	pod := p.pod(stage.Over)
	m := p.manifest()
	p.whole(m, "prepare", 0, status(pod, "prepare").State.Terminated)
	p.noLog(m, "main")
	if got, want := p.record(m, "main", 0).State.Reason, "InitContainerFailed"; got != want {
		t.Errorf("got reason %q, want %q", got, want)
	}
}
